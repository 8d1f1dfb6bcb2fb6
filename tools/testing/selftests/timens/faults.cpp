// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens when memory runs out while a namespace is made or entered: the
 * call fails, and nothing else has changed. The kernel is made to fail where it
 * allocates the set of namespaces of a task, and nowhere else
 * (Documentation/fault-injection/fault-injection.rst). This needs
 * CONFIG_FAILSLAB and the boot parameter slab_nomerge.
 */
#include "kernel.hpp"

#include <fcntl.h>
#include <unistd.h>

using namespace timens;

namespace
{

const std::string failslab = "/sys/kernel/debug/failslab/";
const std::string fails_in_cache = "/sys/kernel/slab/nsproxy/failslab";

outcome write_file(const std::string &path, std::string_view text)
{
	return write(open_file(path, O_WRONLY).get(), text.data(), text.size());
}

/*
 * While it exists, the calling process and its children cannot have another set
 * of namespaces. One at a time: the setting is one for the whole machine.
 */
class no_memory_for_namespaces {
    public:
	no_memory_for_namespaces()
	{
		if (access(failslab.c_str(), F_OK))
			skip("the kernel has no fault injection (CONFIG_FAILSLAB)");
		if (!write_file(fails_in_cache, "1\n").value)
			skip("the cache is shared with others: boot with slab_nomerge");
		for (const auto &[name, value] : settings)
			check(write_file(failslab + name, value), "write to failslab");
		check(write_file("/proc/self/make-it-fail", "1"), "write to make-it-fail");
	}
	no_memory_for_namespaces(const no_memory_for_namespaces &) = delete;
	no_memory_for_namespaces &operator=(const no_memory_for_namespaces &) = delete;
	~no_memory_for_namespaces()
	{
		write_file("/proc/self/make-it-fail", "0");
		write_file(failslab + "probability", "0");
		write_file(fails_in_cache, "0\n");
	}

    private:
	static constexpr std::pair<const char *, std::string_view> settings[] = {
		{ "task-filter", "Y" },	   { "cache-filter", "Y" }, { "ignore-gfp-wait", "N" },
		{ "verbose", "0" },	   { "times", "-1" },	    { "interval", "1" },
		{ "probability", "100" },
	};
};

} // namespace

TEST(execve_without_memory_to_enter_fails_and_the_task_lives,
     .differs_from_stock = "the allocation comes after the point of no return: the task is killed")
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });
	std::vector<std::string> command = view_command(inside);
	const std::vector<char *> pointers = pointers_to(command);

	{
		const no_memory_for_namespaces fault;

		expect_errno(execv(pointers[0], pointers.data()), ENOMEM);
	}
	expect_eq(namespaces_of(), time_namespaces{ outside.namespaces.own,
						    inside.namespaces.own });
	expect_errno(write_offsets(offsets_text({ 1000s, 2000s })), 0, "nothing is frozen");
	exec_expecting(inside);
}

TEST(fork_without_memory_to_enter_fails_and_freezes_nothing)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	{
		const no_memory_for_namespaces fault;
		const pid_t pid = fork();
		const outcome forked = pid;

		if (!pid)
			_exit(0);
		expect_errno(forked, ENOMEM);
	}
	expect_errno(write_offsets(offsets_text({ 1000s, 2000s })), 0, "nothing is frozen");
	child([&] { expect_view(inside); }).wait_ok();
}

TEST(unshare_without_memory_changes_nothing)
{
	const time_namespaces before = namespaces_of();

	{
		const no_memory_for_namespaces fault;

		expect_errno(unshare(CLONE_NEWTIME), ENOMEM);
	}
	expect_eq(namespaces_of(), before);
	expect_errno(unshare(CLONE_NEWTIME), 0);
}

TEST(setns_without_memory_changes_and_freezes_nothing)
{
	const unique_fd pending = make_namespace({ 1000s, 2000s });
	const time_view before = view_here();

	{
		const no_memory_for_namespaces fault;

		expect_errno(setns(pending.get(), CLONE_NEWTIME), ENOMEM);
	}
	expect_view(before);
	expect_errno(setns(pending.get(), CLONE_NEWTIME), 0);
}
