// SPDX-License-Identifier: GPL-2.0-only
/*
 * Means to get at a mapping that few programs use, turned against the vvar pages:
 * probes in the code that reads them, and faults that a program handles itself.
 */
#include "kernel.hpp"
#include "offsets_ioctl.hpp"
#include "shifts.hpp"
#include "vvar_pages.hpp"

#include <cstdint>
#include <cstring>
#include <functional>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

std::uint64_t address_of(const void *place)
{
	return reinterpret_cast<std::uintptr_t>(place);
}

} // namespace

#ifdef __x86_64__
/* An instruction that a probe neither emulates nor skips: it runs in another place. */
extern "C" std::uint64_t load_word(const char *from);
asm(".pushsection .text\n"
    ".globl load_word\n"
    ".type load_word, @function\n"
    "load_word:\n"
    "	mov (%rdi), %rax\n"
    "	ret\n"
    ".size load_word, . - load_word\n"
    ".popsection\n");

namespace
{

constexpr char probes_type[] = "/sys/bus/event_source/devices/uprobe/type";

/* Counts how often the caller and its children come to a place in a file. */
class probe {
public:
	/* The name is read again for each child. */
	probe(const char *file, std::uint64_t offset)
	{
		const outcome opened = open(file, offset);

		check(opened, "perf_event_open of a probe");
		counter = unique_fd(opened.value);
	}

	static outcome open(const char *file, std::uint64_t offset)
	{
		perf_event_attr event{};

		event.size = sizeof(event);
		event.type = std::stoul(read_file(probes_type));
		event.uprobe_path = address_of(file);
		event.probe_offset = offset;
		event.inherit = 1;
		return syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	}

	std::uint64_t hits() const
	{
		std::uint64_t count;

		check(read(counter.get(), &count, sizeof(count)), "read of a probe");
		return count;
	}

private:
	unique_fd counter;
};

/* Where code of this program is in its file. */
std::uint64_t offset_in_program(std::uint64_t code)
{
	std::istringstream maps(read_file("/proc/self/maps"));

	for (std::string line; std::getline(maps, line);) {
		unsigned long start, end, offset;

		if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
		    start <= code && code < end)
			return code - start + offset;
	}
	throw check_failed("the code is not in /proc/self/maps");
}

std::string mapped_file(const mapping &of)
{
	char range[64];

	std::snprintf(range, sizeof(range), "%lx-%lx", address_of(of.start),
		      address_of(of.start + of.size));
	return "/proc/self/map_files/" + std::string(range);
}

} // namespace

TEST(a_probe_in_the_code_that_reads_a_vvar_page_finds_that_of_the_namespace, .timeout = 60s)
{
	if (access(probes_type, R_OK))
		skip("needs CONFIG_UPROBE_EVENTS");

	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);
	const auto code = reinterpret_cast<std::uintptr_t>(load_word);
	const probe probe("/proc/self/exe", offset_in_program(code));
	mapping vvar = vvar_mapping();
	std::uint64_t loads = 0;

	const auto expect_page = [&](const offsets &by, const std::string &when) {
		std::vector<std::uint64_t> page(page_size / sizeof(std::uint64_t));

		for (std::size_t i = 0; i < page.size(); i++)
			page[i] = load_word(vvar.start + i * sizeof(page[i]));
		loads += page.size();
		expect_eq(offsets_in_page(reinterpret_cast<const char *>(page.data()))
				  .value_or(offsets{}),
			  by, "offsets in the vvar page " + when);
	};

	expect_page({}, "outside");
	enter(moved);
	expect_page(some_offsets, "after setns");
	unshare_time();
	set_offsets({ 1111s, 2222s });
	child([&] {
		const mapping elsewhere{ reserve(vvar.size), vvar.size, vvar.name };

		expect_page({ 1111s, 2222s }, "after fork");
		move_mapping(vvar, elsewhere.start);
		vvar = elsewhere;
		expect_page({ 1111s, 2222s }, "that was moved");
		enter(host);
		expect_page({}, "that was moved, after setns");
	}).wait_ok();
	loads *= 2;
	loads += page_size / sizeof(std::uint64_t);
	expect_page(some_offsets, "of the parent");
	enter(host);
	expect_page({}, "of the host");
	expect_eq(probe.hits(), loads, "loads that the probe has seen");
}

/* They belong to no file, and a probe is in a file. */
TEST(a_probe_cannot_be_put_into_the_vdso_or_its_data)
{
	if (access(probes_type, R_OK))
		skip("needs CONFIG_UPROBE_EVENTS");
	for (const mapping &pages : vdso_mappings())
		expect_errno(probe::open(mapped_file(pages).c_str(), 0), ENOENT,
			     "a probe in " + pages.name);
}
#endif

/* userfaultfd(2) */
namespace
{

/* <linux/userfaultfd.h> of 6.7 and 6.8; installed headers may be older. */
constexpr std::uint64_t feature_wp_async = 1 << 15;
struct move_request {
	std::uint64_t to, from, size, mode;
	std::int64_t moved;
};
constexpr unsigned long request_move = _IOWR(UFFDIO, 0x05, move_request);

uffdio_range range_of(const mapping &pages)
{
	return { address_of(pages.start), pages.size };
}

class fault_handler {
public:
	fault_handler()
	{
		/* Which memory can be watched depends on it; not every kernel has it. */
		for (const std::uint64_t features : { feature_wp_async, std::uint64_t{ 0 } }) {
			const outcome made = syscall(SYS_userfaultfd, O_CLOEXEC);
			uffdio_api api{ .api = UFFD_API, .features = features, .ioctls = 0 };

			if (made.error == ENOSYS)
				skip("needs CONFIG_USERFAULTFD");
			check(made, "userfaultfd");
			fd = unique_fd(made.value);

			const outcome agreed = ioctl(fd.get(), UFFDIO_API, &api);

			if (!agreed.error)
				return;
			expect(features && agreed.error == EINVAL, "the kernel knows userfaultfd");
		}
	}

	outcome watch(const mapping &pages, std::uint64_t mode) const
	{
		uffdio_register watched{ .range = range_of(pages), .mode = mode, .ioctls = 0 };

		return ioctl(fd.get(), UFFDIO_REGISTER, &watched);
	}

	/* The first page of some memory, or its absence. */
	outcome copy(const mapping &to, const char *from) const
	{
		uffdio_copy page{ address_of(to.start), address_of(from), page_size, 0, 0 };

		return ioctl(fd.get(), UFFDIO_COPY, &page);
	}
	outcome clear(const mapping &pages) const
	{
		uffdio_zeropage page{ { address_of(pages.start), page_size }, 0, 0 };

		return ioctl(fd.get(), UFFDIO_ZEROPAGE, &page);
	}
	outcome move(const mapping &to, const mapping &from) const
	{
		move_request page{ address_of(to.start), address_of(from.start), page_size, 0, 0 };

		return ioctl(fd.get(), request_move, &page);
	}
	outcome protect(const mapping &pages) const
	{
		uffdio_writeprotect page{ range_of(pages), UFFDIO_WRITEPROTECT_MODE_WP };

		return ioctl(fd.get(), UFFDIO_WRITEPROTECT, &page);
	}

	/* Waits until somebody waits for memory. */
	void wait_for_fault() const
	{
		uffd_msg message;

		check(read(fd.get(), &message, sizeof(message)), "read of a userfaultfd");
		expect_eq(int(message.event), UFFD_EVENT_PAGEFAULT, "what is read");
	}

private:
	unique_fd fd;
};

mapping new_page()
{
	void *const page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		throw system_failure("mmap", errno);
	return { static_cast<char *>(page), page_size, "a page" };
}

} // namespace

TEST(faults_on_vvar_pages_cannot_be_handled_by_a_program, .timeout = 30s)
{
	const fault_handler handler;
	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);
	const mapping page = new_page();
	const std::string memory(page_size, 'x');

	check(handler.watch(page, UFFDIO_REGISTER_MODE_MISSING), "UFFDIO_REGISTER of a page");
	for (const unique_fd *ns : { &moved, &host, &moved }) {
		enter(*ns);
		for (const mapping &pages : vdso_mappings()) {
			for (const auto mode :
			     { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
			       UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
			       UFFDIO_REGISTER_MODE_MINOR })
				expect_errno(handler.watch(pages, mode), EINVAL,
					     "mode " + std::to_string(mode) + " of " + pages.name);
			expect_errno(handler.copy(pages, memory.data()), ENOENT,
				     "a copy into " + pages.name);
			expect_errno(handler.clear(pages), ENOENT, "zeroes into " + pages.name);
			expect_errno(handler.protect(pages), ENOENT, "protection of " + pages.name);
			expect_errno(handler.move(page, pages), EINVAL,
				     "a page taken from " + pages.name);
		}
		expect_eq(offsets_in_page(vvar_mapping().start).value_or(offsets{}),
			  ns == &moved ? some_offsets : offsets{}, "offsets in the vvar page");
	}
}

namespace
{

constexpr offsets early_offsets{ 1111s, 2222s };

using way_to_write = std::function<outcome(const unique_fd &ns, const char *memory)>;

/* The kernel waits for what is to be written until the first task is there. */
void write_from_memory_that_comes_late(const std::string &content, const way_to_write &write)
{
	const fault_handler handler;
	const mapping memory = new_page();

	check(handler.watch(memory, UFFDIO_REGISTER_MODE_MISSING), "UFFDIO_REGISTER");
	unshare_time();
	set_offsets(early_offsets);

	const unique_fd ns = pending_namespace();
	std::exception_ptr failure;
	std::jthread first([&] {
		try {
			handler.wait_for_fault();
			child([] { expect_eq(read_offsets(), early_offsets); }).wait_ok();
		} catch (...) {
			failure = std::current_exception();
		}

		std::string page(page_size, '\0');

		page.replace(0, content.size(), content);
		handler.copy(memory, page.data());
	});

	const outcome written = write(ns, memory.start);

	first.join();
	if (failure)
		std::rethrow_exception(failure);
	expect_errno(written, EACCES, "a write that is late");
	expect_eq(read_offsets(), early_offsets, "offsets that stay");
}

} // namespace

TEST(text_that_comes_into_memory_after_the_first_task_is_refused, .timeout = 30s)
{
	const std::string text = offsets_text(some_offsets);

	write_from_memory_that_comes_late(text, [&](const unique_fd &, const char *memory) {
		const unique_fd file = open_file(own_offsets_file, O_WRONLY);

		return outcome(write(file.get(), memory, text.size()));
	});
}

TEST(a_structure_that_comes_into_memory_after_the_first_task_is_refused, .timeout = 30s)
{
	if (!has_offsets_ioctls())
		skip("there are no ioctls for time namespaces");

	const auto content = to_clock_offsets(some_offsets);

	write_from_memory_that_comes_late(
		{ reinterpret_cast<const char *>(&content), sizeof(content) },
		[](const unique_fd &ns, const char *memory) {
			return outcome(ioctl(ns.get(), TIMENS_SET_OFFSETS, memory));
		});
}
