// SPDX-License-Identifier: GPL-2.0-only
#include "vdso_image.hpp"

#include <algorithm>
#include <cpuid.h>
#include <cstring>
#include <elf.h>
#include <functional>
#include <limits>
#include <link.h>
#include <random>
#include <span>
#include <stdexcept>
#include <x86intrin.h>

namespace bench
{

namespace
{

constexpr std::uint64_t ns_per_second = 1'000'000'000;

std::size_t whole_pages(std::size_t size)
{
	return (size + page_size - 1) / page_size * page_size;
}

bool starts_as_elf(std::string_view bytes)
{
	return bytes.starts_with(ELFMAG);
}

#ifdef __x86_64__
constexpr int elf_class = ELFCLASS64, elf_machine = EM_X86_64;
constexpr const char *elf_kind = "64-bit";
#else
constexpr int elf_class = ELFCLASS32, elf_machine = EM_386;
constexpr const char *elf_kind = "32-bit";
#endif

/* The parts of an ELF file that concern a vDSO. The bytes are the file's, or those of its copy in
 * memory, where it starts at address 0. */
class elf {
public:
	explicit elf(std::span<char> bytes)
		: bytes_(bytes)
	{
		if (!starts_as_elf({ bytes.data(), bytes.size() }) ||
		    header().e_ident[EI_CLASS] != elf_class || header().e_machine != elf_machine)
			throw std::runtime_error("not a " + std::string(elf_kind) +
						 " vDSO for x86");
	}

	template <class type> std::span<type> table(std::size_t offset, std::size_t count) const
	{
		if (offset > bytes_.size() || count * sizeof(type) > bytes_.size() - offset)
			throw std::runtime_error("the vDSO is cut short");
		return { reinterpret_cast<type *>(bytes_.data() + offset), count };
	}
	const ElfW(Ehdr) &header() const
	{
		return table<ElfW(Ehdr)>(0, 1)[0];
	}
	std::span<const ElfW(Phdr)> segments() const
	{
		return table<const ElfW(Phdr)>(header().e_phoff, header().e_phnum);
	}
	std::span<const ElfW(Shdr)> sections() const
	{
		return table<const ElfW(Shdr)>(header().e_shoff, header().e_shnum);
	}
	std::string_view string(const ElfW(Shdr) &strings, std::size_t index) const
	{
		return table<const char>(strings.sh_offset, strings.sh_size).data() + index;
	}
	const ElfW(Shdr) *section(std::string_view name) const
	{
		for (const auto &each : sections()) {
			if (string(sections()[header().e_shstrndx], each.sh_name) == name)
				return &each;
		}
		return nullptr;
	}
	const ElfW(Sym) *symbol(std::string_view name, std::uint32_t table_type) const
	{
		for (const auto &section : sections()) {
			if (section.sh_type != table_type)
				continue;
			for (const auto &each : table<const ElfW(Sym)>(
				     section.sh_offset, section.sh_size / sizeof(ElfW(Sym)))) {
				if (string(sections()[section.sh_link], each.st_name) == name)
					return &each;
			}
		}
		return nullptr;
	}

private:
	std::span<char> bytes_;
};

/* struct alt_instr of arch/x86/include/asm/alternative.h */
struct [[gnu::packed]] alternative {
	std::int32_t instruction;
	std::int32_t replacement;
	std::uint16_t feature;
	std::uint16_t flags;
	std::uint8_t instruction_length;
	std::uint8_t replacement_length;
};

/* Has the processor this feature, numbered as in arch/x86/include/asm/cpufeatures.h? */
bool processor_has(unsigned int feature)
{
	constexpr auto number = [](unsigned int word, unsigned int bit) { return word * 32 + bit; };
	unsigned int a, b, c, d;

	switch (feature) {
	/*
	 * Without these, 32-bit code does system calls by int $0x80: the kernel
	 * returns from the others to the vDSO that it has mapped itself.
	 */
	case number(3, 14): /* SYSCALL32 */
	case number(3, 15): /* SYSENTER32 */
		return false;
	case number(1, 27): /* RDTSCP */
		return __get_cpuid(0x80000001, &a, &b, &c, &d) && (d & 1 << 27);
	case number(20, 2): /* LFENCE_RDTSC */
	case number(3, 21): /* ALWAYS */
		return true;
	case number(16, 22): /* RDPID */
		return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_RDPID);
	}
	throw std::runtime_error("the vDSO depends on processor feature " +
				 std::to_string(feature / 32) + "*32+" +
				 std::to_string(feature % 32) +
				 ", which is not known here: add it to processor_has()");
}

/* One instruction where there is one of this length, as the kernel does. */
void fill_with_nops(std::span<char> room)
{
	constexpr std::string_view nops[] = {
		"",
		"\x90",
		"\x66\x90",
		{ "\x0f\x1f\x00", 3 },
		{ "\x0f\x1f\x40\x00", 4 },
		{ "\x0f\x1f\x44\x00\x00", 5 },
		{ "\x66\x0f\x1f\x44\x00\x00", 6 },
		{ "\x0f\x1f\x80\x00\x00\x00\x00", 7 },
		{ "\x0f\x1f\x84\x00\x00\x00\x00\x00", 8 },
	};

	while (!room.empty()) {
		const auto &nop = nops[std::min(room.size(), std::size(nops) - 1)];

		std::ranges::copy(nop, room.begin());
		room = room.subspan(nop.size());
	}
}

/* Puts in the instructions that a kernel would choose here. In a dump they replace those that it
 * chose there. */
void apply_alternatives(const elf &image)
{
	constexpr std::uint16_t flag_not = 1;
	const auto *section = image.section(".altinstructions");

	if (!section)
		throw std::runtime_error("the vDSO has no section .altinstructions");
	for (auto at = section->sh_offset; at < section->sh_offset + section->sh_size;
	     at += sizeof(alternative)) {
		const auto &each = image.table<const alternative>(at, 1)[0];

		if (each.flags & ~flag_not)
			throw std::runtime_error("the vDSO has an alternative of an unknown kind");
		if (processor_has(each.feature) == static_cast<bool>(each.flags & flag_not))
			continue;
		/* Both are relative to where they stand. */
		const auto room = image.table<char>(at + each.instruction, each.instruction_length);
		const auto replacement = image.table<char>(at + offsetof(alternative, replacement) +
								   each.replacement,
							   each.replacement_length);
		std::ranges::copy(replacement, room.begin());
		fill_with_nops(room.subspan(replacement.size()));
	}
}

std::string make_host_page(const vvar_layout &layout)
{
	/* A processor clock of 2.3 GHz. */
	constexpr std::uint32_t shift = 24, mult = (std::uint64_t(1) << shift) * 10 / 23;
	std::string bytes(page_size, '\0');
	const vvar_page page(reinterpret_cast<std::byte *>(bytes.data()), layout);

	for (std::size_t set = 0; set < sets_of_clocks; ++set) {
		auto &clock = page.clocks(set);

		clock.clock_mode = mode_tsc;
		clock.mask = std::numeric_limits<std::uint64_t>::max();
		clock.max_cycles = std::uint64_t(1) << 40;
		clock.mult = mult;
		clock.shift = shift;
		clock.hrtimer_res = 1;
	}
	page.rng() = { 1, true };
	return bytes;
}

std::string make_timens_page(const vvar_layout &layout)
{
	constexpr vdso_timestamp monotonic{ 100'000, 0 }, boottime{ 200'000, 0 };
	std::string bytes(page_size, '\0');
	const vvar_page page(reinterpret_cast<std::byte *>(bytes.data()), layout);

	for (std::size_t set = 0; set < sets_of_clocks; ++set) {
		page.clocks(set).seq = 1;
		page.clocks(set).clock_mode = mode_timens;
		for (const auto id :
		     { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE })
			page.offset(set, id) = monotonic;
		for (const auto id : { CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM })
			page.offset(set, id) = boottime;
		/* By this time() knows that the date is elsewhere. In stock's page it is an offset. */
		if (layout.offsets != offsetof(vdso_data, basetime))
			page.clocks(set).basetime[CLOCK_REALTIME].sec = -1;
	}
	return bytes;
}

void set_page(std::string &pages, std::ptrdiff_t index, const std::string &page)
{
	pages.replace(index * page_size, page_size, page);
}

/* Only ours has the host's page in a second place always. */
const vvar_layout &layout_of(const elf &image)
{
	return image.symbol("host_page", SHT_SYMTAB) ? our_layout : stock_layout;
}

/* Both sets of clocks of a page are of the same kind, if they are sets of clocks. */
const vvar_layout &layout_of_dump(std::string pages)
{
	for (std::size_t place = 0; place < pages.size(); place += page_size) {
		const vvar_page page(reinterpret_cast<std::byte *>(pages.data()) + place,
				     our_layout);
		const auto mode = page.clocks(0).clock_mode;

		if ((mode == mode_tsc || mode == mode_timens) && page.clocks(1).clock_mode == mode)
			return our_layout;
	}
	return stock_layout;
}

/* Where the host's page is when a namespace's is in its place: ours always has it there as well,
 * stock only then. nullptr without one. */
const char *host_page_symbol(const elf &image)
{
	for (const char *name : { "host_page", "timens_page" }) {
		if (image.symbol(name, SHT_SYMTAB))
			return name;
	}
	return nullptr;
}

/* Where a symbol is in the data pages, from their start; they end where the text begins. */
std::size_t vvar_offset(const elf &image, std::string_view name, std::size_t vvar_size)
{
	const auto *found = image.symbol(name, SHT_SYMTAB);

	if (!found)
		throw std::runtime_error("no symbol " + std::string(name) +
					 " in it: give vdso64.so.dbg");
	return found->st_value + vvar_size;
}

/* Base times that no real clock has, and that stay away from the next second. */
void set_base_times(vdso_data &clock)
{
	constexpr auto ns = ns_per_second / 4;

	clock.seq &= ~1U;
	for (int id = 0; id < static_cast<int>(std::size(clock.basetime)); ++id) {
		const bool coarse = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;

		clock.basetime[id] = { 1'000'000U + id, coarse ? ns : ns << clock.shift };
	}
}

/* In the arena, what is not used stays reserved. */
void map_fixed(std::byte *place, std::size_t size, int protection, int flags)
{
	flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	if (mmap(place, size, protection, flags, -1, 0) == MAP_FAILED)
		fail("mmap");
}

void map_pages(std::byte *place, std::size_t size)
{
	map_fixed(place, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_POPULATE);
}

void reserve(std::byte *place, std::size_t size)
{
	map_fixed(place, size, PROT_NONE, MAP_NORESERVE);
}

} /* namespace */

vdso_file::vdso_file(const std::string &path, side where)
{
	auto file = read_file(path);

	if (!starts_as_elf(file)) {
		std::size_t start = 0;
		while (start < file.size() && !starts_as_elf(std::string_view(file).substr(start)))
			start += page_size;
		if (start >= file.size() || file.size() % page_size)
			throw std::runtime_error(path + ": neither a vDSO nor a dump of one");
		vvar = file.substr(0, start);
		text = file.substr(start);
		layout = layout_of_dump(vvar);
		return;
	}

	const elf image(file);
	layout = layout_of(image);
	vvar.resize(-vvar_offset(image, "vvar_start", 0));
	set_page(vvar, vvar_offset(image, "vvar_page", vvar.size()) / page_size,
		 make_host_page(layout));
	const char *host_page = host_page_symbol(image);
	if (host_page)
		set_page(vvar, vvar_offset(image, host_page, vvar.size()) / page_size,
			 make_host_page(layout));
	if (where == side::inside) {
		if (!host_page)
			throw std::runtime_error(path + ": knows no time namespaces");
		set_page(vvar, vvar_offset(image, "vvar_page", vvar.size()) / page_size,
			 make_timens_page(layout));
	}
	text = std::move(file);
	text.resize(whole_pages(text.size()));
}

bool knows_namespaces(const std::string &path)
{
	auto file = read_file(path);

	return host_page_symbol(elf(file));
}

std::uint64_t read_tsc()
{
	unsigned int processor;
	const auto now = __rdtscp(&processor);

	_mm_lfence();
	return now;
}

constexpr std::size_t arena_pages = 16384;

vdso_image::vdso_image(const vdso_file &file)
	: arena_(arena_pages * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
	, vvar_size_(file.vvar.size())
	, size_(file.vvar.size() + file.text.size())
	, layout_(file.layout)
{
	auto text = file.text;

	apply_alternatives(elf(text));
	pages_ = arena_.data();
	map_pages(pages_, size_);
	std::ranges::copy(std::as_bytes(std::span(file.vvar)), pages_);
	std::ranges::copy(std::as_bytes(std::span(text)), pages_ + vvar_size_);
	settle(pages_);
	prepare_data();
	verify();
}

/* Anywhere but on the present one. */
std::byte *vdso_image::choose_place() const
{
	static std::minstd_rand random;
	const auto pages = size_ / page_size;
	std::uniform_int_distribution<std::size_t> choose(0, arena_pages - 2 * pages);
	const auto place = arena_.data() + choose(random) * page_size;

	return place + size_ <= pages_ ? place : std::max(place, pages_) + size_;
}

void vdso_image::settle(std::byte *place)
{
	pages_ = place;
	find_functions();
	find_data_pages();
}

void vdso_image::renew()
{
	const auto place = choose_place();

	map_pages(place, size_);
	std::copy_n(pages_, size_, place);
	reserve(pages_, size_);
	settle(place);
}

void vdso_image::move()
{
	const auto place = choose_place();

	if (mremap(pages_, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED)
		fail("mremap");
	reserve(pages_, size_);
	settle(place);
}

void vdso_image::flush() const
{
	_mm_mfence();
	for (std::size_t line = 0; line < size_; line += 64)
		_mm_clflush(pages_ + line);
	_mm_mfence();
}

void vdso_image::find_functions()
{
	const elf image({ reinterpret_cast<char *>(pages_) + vvar_size_, text_size() });
	const auto find = [&](auto *&function, std::string_view name) {
		const auto *symbol = image.symbol(name, SHT_DYNSYM);

		if (!symbol)
			throw std::runtime_error("the vDSO has no " + std::string(name));
		function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
			pages_ + vvar_size_ + symbol->st_value);
	};

	find(clock_gettime, "__vdso_clock_gettime");
	find(clock_getres, "__vdso_clock_getres");
	find(time, "__vdso_time");
	find(gettimeofday, "__vdso_gettimeofday");
#ifdef __x86_64__
	find(getrandom, "__vdso_getrandom");
#else
	find(clock_gettime64, "__vdso_clock_gettime64");
#endif
}

std::byte *vdso_image::data_page(std::string_view name) const
{
	const elf image({ reinterpret_cast<char *>(pages_) + vvar_size_, text_size() });
	const auto *symbol = image.symbol(name, SHT_SYMTAB);

	return symbol ? pages_ + vvar_size_ + static_cast<std::ptrdiff_t>(symbol->st_value) :
			nullptr;
}

void vdso_image::find_data_pages()
{
	hosts_.clear();
	timens_.reset();
	for (std::size_t offset = 0; offset < vvar_size_; offset += page_size) {
		const vvar_page page(pages_ + offset, layout_);

		if (page.clocks(0).clock_mode == mode_timens)
			timens_ = page;
		else if (page.clocks(0).clock_mode == mode_tsc)
			hosts_.push_back(page);
	}
	if (hosts_.empty())
		throw std::runtime_error("no data page for the TSC: was it the dumped kernel's "
					 "clock source?");
}

void vdso_image::prepare_data() const
{
	for (const auto &host : hosts_) {
		for (std::size_t set = 0; set < sets_of_clocks; ++set)
			set_base_times(host.clocks(set));
		host.rng() = { 1, true };
	}
	set_clocks();
}

void vdso_image::set_clocks() const
{
	const auto now = read_tsc();

	for (const auto &host : hosts_) {
		for (std::size_t set = 0; set < sets_of_clocks; ++set)
			host.clocks(set).cycle_last = now;
	}
}

void vdso_image::verify_clock(clockid_t id) const
{
	const auto &data = hosts_[0].clocks(id == CLOCK_MONOTONIC_RAW);
	const auto &base = data.basetime[id];
	const bool coarse = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;
	const auto at = [&](std::uint64_t cycles) {
		auto time =
			coarse ? base.nsec
			       : ((cycles - data.cycle_last) * data.mult + base.nsec) >> data.shift;

		time += base.sec * ns_per_second;
		if (timens_) {
			const auto &offset = timens_->offset(id == CLOCK_MONOTONIC_RAW, id);

			time += offset.sec * ns_per_second + offset.nsec;
		}
		return time;
	};
	timespec got;

	const auto before = read_tsc();
	const int status = clock_gettime(id, &got);
	const auto after = read_tsc();
	const auto time = got.tv_sec * ns_per_second + got.tv_nsec;
	if (status || time < at(before) || time > at(after))
		throw std::runtime_error(
			"clock " + std::to_string(id) + " reads " + std::to_string(time) +
			", not from " + std::to_string(at(before)) + " to " +
			std::to_string(at(after)) + ": is vdso_data.hpp the layout of this vDSO?");
}

void vdso_image::verify() const
{
	set_clocks();
	for (const auto id : { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
			       CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME })
		verify_clock(id);
	if (time(nullptr) != static_cast<time_t>(hosts_[0].clocks(0).basetime[CLOCK_REALTIME].sec))
		throw std::runtime_error("time() is not that of its data page");

#ifdef __x86_64__
	std::uint32_t parameters[16]; /* struct vgetrandom_opaque_params */
	if (getrandom(nullptr, 0, 0, parameters, ~0UL) || parameters[0] != random_state_size)
		throw std::runtime_error("getrandom() wants a state of another size");
#endif
}

} /* namespace bench */
