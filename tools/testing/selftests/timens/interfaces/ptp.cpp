// SPDX-License-Identifier: GPL-2.0-only
/* /dev/ptpN: what the system's clocks showed around a reading of the device's. */
#include "process.hpp"
#include "viewpoints.hpp"

#include <filesystem>

#include <fcntl.h>
#include <linux/ptp_clock.h>
#include <sys/ioctl.h>

using namespace timens;

namespace
{

/* The first clock that this ioctl(2) can ask; skips if there is none. */
template <class request> unique_fd open_clock(unsigned long command, const request &empty)
{
	const std::filesystem::path clocks = "/sys/class/ptp";

	if (exists(clocks)) {
		for (const auto &entry : std::filesystem::directory_iterator(clocks)) {
			unique_fd clock =
				open_file("/dev/" + entry.path().filename().string(), O_RDWR);
			request asked = empty;

			if (ioctl(clock.get(), command, &asked) == 0)
				return clock;
		}
	}
	skip("this machine has no PTP clock that can be asked for this");
}

nanoseconds time_of(const ptp_clock_time &time)
{
	return seconds(time.sec) + nanoseconds(time.nsec);
}

} // namespace

TEST(system_times_around_a_ptp_clock_are_on_the_clock_of_the_caller,
     .differs_from_stock = "they are on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		ptp_sys_offset_extended empty{};

		empty.n_samples = 3;

		const unique_fd clock = open_clock(PTP_SYS_OFFSET_EXTENDED2, empty);

		for (clockid_t id : { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW }) {
			ptp_sys_offset_extended samples = empty;

			/* It is .clockid in linux/ptp_clock.h since 6.12. */
			samples.rsv[0] = static_cast<unsigned int>(id);

			const period asking(id);

			check(ioctl(clock.get(), PTP_SYS_OFFSET_EXTENDED2, &samples),
			      "PTP_SYS_OFFSET_EXTENDED2");
			for (unsigned int i = 0; i < samples.n_samples; i++) {
				asking.expect_contains(time_of(samples.ts[i][0]), "time before");
				asking.expect_contains(time_of(samples.ts[i][2]), "time after");
			}
		}
	});
}
