// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls riscv_hwprobe() of a vDSO in a file as a task does that is in a time
 * namespace with offsets: read_hwprobe VDSO
 *
 * Before the code, where the linker put them, are two pages: that of the namespace,
 * which knows nothing about the processor, and the host's. Each word of the latter
 * has a value of its own here, so it is seen from where an answer comes, wherever
 * in the page the kernel keeps it. A riscv program, for qemu-user.
 */
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <vector>

namespace
{

constexpr std::size_t page_size = 4096;
constexpr unsigned int which_cpus = 1; /* RISCV_HWPROBE_WHICH_CPUS */
constexpr std::int64_t keys_at_least = 5; /* up to RISCV_HWPROBE_KEY_IMA_EXT_0 */

struct pair {
	std::int64_t key;
	std::uint64_t value;
};

using hwprobe = int(pair *, std::size_t, std::size_t, unsigned long *, unsigned int);

void expect(bool condition, const std::string &what)
{
	if (!condition)
		throw std::runtime_error(what);
}

/* The image in memory, with the two pages before it. */
class vdso {
public:
	explicit vdso(const char *path)
	{
		std::ifstream file(path, std::ios::binary);
		const std::vector<char> bytes{ std::istreambuf_iterator<char>(file), {} };

		expect(bytes.size() > sizeof(Elf64_Ehdr) && bytes[EI_CLASS] == ELFCLASS64,
		       std::string(path) + " is not a vDSO");
		size = 2 * page_size + (bytes.size() + page_size - 1) / page_size * page_size;
		start = static_cast<char *>(mmap(nullptr, size, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		expect(start != MAP_FAILED, "mmap");
		for (std::size_t i = 0; i < page_size / sizeof(std::uint64_t); i++)
			host_page()[i] = word(i);
		memcpy(image(), bytes.data(), bytes.size());
		expect(!mprotect(start, size, PROT_READ | PROT_WRITE | PROT_EXEC), "mprotect");
		__builtin___clear_cache(start, start + size);
	}

	hwprobe *find(std::string_view name) const
	{
		const auto header = reinterpret_cast<const Elf64_Ehdr *>(image());
		const std::span sections(
			reinterpret_cast<const Elf64_Shdr *>(image() + header->e_shoff),
			header->e_shnum);

		for (const auto &section : sections) {
			if (section.sh_type != SHT_DYNSYM)
				continue;

			const char *names = image() + sections[section.sh_link].sh_offset;
			const std::span symbols(
				reinterpret_cast<const Elf64_Sym *>(image() + section.sh_offset),
				section.sh_size / sizeof(Elf64_Sym));

			for (const auto &symbol : symbols)
				if (symbol.st_shndx != SHN_UNDEF && name == names + symbol.st_name)
					return reinterpret_cast<hwprobe *>(image() +
									   symbol.st_value);
		}
		throw std::runtime_error("the vDSO has no " + std::string(name));
	}

	/* What is in word I of the host's page. */
	static std::uint64_t word(std::size_t i)
	{
		return 0x5a00000000000000 | i << 32 | i;
	}

private:
	char *image() const
	{
		return start + 2 * page_size;
	}
	std::uint64_t *host_page() const
	{
		return reinterpret_cast<std::uint64_t *>(start + page_size);
	}

	char *start;
	std::size_t size;
};

/* Every key of the kernel has a value from the host's page, one after the other. */
std::vector<pair> expect_values(hwprobe *read, std::size_t size_of_cpus, unsigned long *cpus)
{
	std::vector<pair> pairs(64);

	for (std::size_t i = 0; i < pairs.size(); i++)
		pairs[i].key = i;
	expect(!read(pairs.data(), pairs.size(), size_of_cpus, cpus, 0), "values: an error");

	const auto first = static_cast<std::uint32_t>(pairs[0].value);

	while (!pairs.empty() && pairs.back().key < 0) {
		expect(!pairs.back().value, "an unknown key has a value");
		pairs.pop_back();
	}
	expect(pairs.size() >= keys_at_least, "only " + std::to_string(pairs.size()) + " keys");
	for (std::size_t i = 0; i < pairs.size(); i++) {
		expect(pairs[i].key == static_cast<std::int64_t>(i), "a key is gone");
		expect(pairs[i].value == vdso::word(first + i),
		       "the value of key " + std::to_string(i) +
			       " is not from the page of the host");
	}
	return pairs;
}

void check(const char *path)
{
	const vdso image(path);
	const auto read = image.find("__vdso_riscv_hwprobe");
	unsigned long cpus = 1;
	auto pairs = expect_values(read, 0, nullptr);

	/* The vDSO answers these by itself only if the host's page says that all processors are alike. */
	expect_values(read, sizeof(cpus), &cpus);
	expect(!read(pairs.data(), pairs.size(), sizeof(cpus), &cpus, which_cpus), "cpus: an error");
	expect(cpus == 1, "a processor does not have its own values");
	pairs[0].value++;
	expect(!read(pairs.data(), pairs.size(), sizeof(cpus), &cpus, which_cpus), "cpus: an error");
	expect(cpus == 0, "a processor has other values than its own");
}

} /* namespace */

int main(int count, char **arguments)
{
	try {
		expect(count == 2, "usage: read_hwprobe VDSO");
		check(arguments[1]);
	} catch (const std::exception &error) {
		fprintf(stderr, "read_hwprobe: %s\n", error.what());
		return 1;
	}
}
