// SPDX-License-Identifier: GPL-2.0-only
/* linux/sync_file.h: when fences were signalled, and when they should be. */
#include "sw_sync.hpp"
#include "viewpoints.hpp"

using namespace timens;

namespace
{

/* How far ahead deadlines are. */
constexpr nanoseconds ahead = 100ms;

} // namespace

TEST(a_fence_tells_when_it_was_signalled, .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		fence_timeline timeline;
		const fence_file fence = timeline.make_fence();
		const period signalling(CLOCK_MONOTONIC);

		timeline.advance();
		expect_eq(fence.look().status, 1, "the status of the fence");
		signalling.expect_contains(fence.look().time, "the time of the fence");
	});
}

TEST(a_fence_that_is_not_signalled_tells_no_time)
{
	from_each_viewpoint([](const shift &) {
		fence_timeline timeline;
		const fence_file fence = timeline.make_fence();

		expect_eq(fence.look().status, 0, "the status of the fence");
		expect_eq(fence.look().time, 0ns, "the time of the fence");
	});
}

TEST(each_reader_of_a_fence_sees_the_own_clock, .differs_from_stock = "it is on the host's clock")
{
	fence_timeline timeline;

	for (const shift &shift : all_shifts()) {
		const fence_file fence = timeline.make_fence();
		const period signalling(CLOCK_MONOTONIC);
		channel<nanoseconds> inside;

		timeline.advance();
		in_namespace(shift.by, [&] { inside.send(fence.look().time); });

		const nanoseconds outside = fence.look().time;

		signalling.expect_contains(outside, "the time outside");
		expect_eq(inside.receive(), outside + shift.by.monotonic, shift.name);
	}
}

TEST(a_deadline_is_on_the_clock_of_who_sets_it,
     .differs_from_stock = "it is taken on the host's clock")
{
	fence_timeline timeline;

	for (const shift &shift : all_shifts()) {
		const fence_file fence = timeline.make_fence();
		channel<nanoseconds> inside;

		in_namespace(shift.by, [&] {
			const nanoseconds deadline = now(CLOCK_MONOTONIC) + ahead;

			fence.set_deadline(deadline);
			expect_eq(timeline.deadline_of(fence), deadline, "the deadline inside");
			inside.send(deadline);
		});
		expect_eq(timeline.deadline_of(fence), inside.receive() - shift.by.monotonic,
			  shift.name);
	}
}

TEST(a_deadline_that_is_no_time_stays)
{
	fence_timeline timeline;

	for (const shift &shift : all_shifts())
		for (nanoseconds deadline : { nanoseconds(0), nanoseconds::max() }) {
			const fence_file fence = timeline.make_fence();

			in_namespace(shift.by, [&] { fence.set_deadline(deadline); });
			expect_eq(timeline.deadline_of(fence), deadline, shift.name);
		}
}
