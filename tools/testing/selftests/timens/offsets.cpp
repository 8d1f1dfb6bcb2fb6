// SPDX-License-Identifier: GPL-2.0-only
/* The file /proc/PID/timens_offsets: what it accepts, refuses and shows. */
#include "capability.hpp"
#include "kernel.hpp"

using namespace timens;

TEST(offsets_freeze_when_the_first_task_enters)
{
	unshare_time();
	set_offsets({ 100s, 200s });
	child([] {}).wait_ok();
	expect_errno(write_offsets("monotonic 1 0\n"), EACCES);
	expect_eq(read_offsets(), offsets{ 100s, 200s });
}

TEST(a_child_sees_the_offsets_on_its_clocks)
{
	const nanoseconds outside = now(CLOCK_MONOTONIC);

	in_namespace({ 1000s, 0s }, [&] {
		for (const auto &reader : clock_readers())
			expect_near(reader.read(CLOCK_MONOTONIC) - outside,
				    1000s, 5s, reader.name);
	});
}
