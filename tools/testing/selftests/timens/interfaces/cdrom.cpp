// SPDX-License-Identifier: GPL-2.0-only
/*
 * CDROM_TIMED_MEDIA_CHANGE: when the medium of a drive was changed last, and
 * whether that was after a time that the caller names.
 */
#include "process.hpp"
#include "viewpoints.hpp"

#include <filesystem>

#include <fcntl.h>
#include <sys/ioctl.h>

using namespace timens;

namespace
{

using std::chrono::milliseconds;

/* As in linux/cdrom.h since 5.15. */
struct timed_media_change {
	std::int64_t last_media_change;
	std::uint64_t media_flags;
};

constexpr std::uint64_t changed_flag = 1;
constexpr unsigned long timed_media_change_request = 0x5396;

struct answer {
	milliseconds last;
	bool changed;
};

unique_fd open_drive()
{
	if (!std::filesystem::exists("/dev/sr0"))
		skip("there is no drive");
	return open_file("/dev/sr0", O_RDONLY | O_NONBLOCK);
}

answer ask(const unique_fd &drive, milliseconds since)
{
	timed_media_change value{ since.count(), 0 };
	const outcome result = ioctl(drive.get(), timed_media_change_request, &value);

	if (result.error == ENOSYS || result.error == ENOTTY)
		skip("the drive cannot tell changes");
	check(result, "CDROM_TIMED_MEDIA_CHANGE");
	return { milliseconds(value.last_media_change), (value.media_flags & changed_flag) != 0 };
}

milliseconds present()
{
	return std::chrono::floor<milliseconds>(now(CLOCK_MONOTONIC));
}

} // namespace

/*
 * There is no medium that the test could change: the last change is that the
 * drive was found.
 */
TEST(the_last_change_is_on_the_clock_of_the_task_that_asks,
     .differs_from_stock = "it is on the host's clock")
{
	const milliseconds outside = ask(open_drive(), 0ms).last;

	expect_ge(outside, 1ms, "the last change, outside");
	expect_le(outside, present(), "the last change, outside");
	from_each_viewpoint([&](const shift &shift) {
		const milliseconds last = ask(open_drive(), 0ms).last;
		const nanoseconds expected =
			std::max<nanoseconds>(outside + shift.by.monotonic, 0ns);

		expect_near(last, expected, 1ms, "the last change");
	});
}

TEST(a_time_from_an_earlier_call_is_not_before_the_last_change)
{
	from_each_viewpoint([](const shift &) {
		const unique_fd drive = open_drive();

		expect(!ask(drive, ask(drive, 0ms).last).changed, "nothing has changed since");
	});
}

TEST(the_present_is_not_before_the_last_change,
     .differs_from_stock = "the caller's time is taken as one on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		expect(!ask(open_drive(), present()).changed, "nothing has changed now");
	});
}

TEST(a_time_before_the_last_change_is_before_it,
     .differs_from_stock = "the caller's time is taken as one on the host's clock")
{
	const milliseconds outside = ask(open_drive(), 0ms).last;

	from_each_viewpoint([&](const shift &shift) {
		const auto before =
			std::chrono::floor<milliseconds>(outside + shift.by.monotonic) - 1ms;

		/* Before the zero of the clock there is no time to name. */
		if (before > 0ms)
			expect(ask(open_drive(), before).changed, "the medium has changed since");
	});
}
