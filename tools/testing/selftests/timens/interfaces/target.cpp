// SPDX-License-Identifier: GPL-2.0-only
/* SCSI targets (Documentation/target): when a logical unit was created. */
#include "configfs.hpp"
#include "viewpoints.hpp"

#include <unistd.h>

using namespace timens;

namespace
{

using hundredths = std::chrono::duration<std::uint32_t, std::ratio<1, 100>>;

/*
 * The time counts ticks, of which the kernel misses those before it has set up
 * its clocks.
 */
constexpr nanoseconds tick_error = 1s;

/* A logical unit of one page of memory. */
class logical_unit {
public:
	explicit logical_unit(bool enabled = true)
		: adapter(configfs_of("target") + "/core/rd_mcp_" + std::to_string(getpid()))
		, unit(adapter.path + "/unit")
	{
		write_file(unit.path + "/control", "rd_pages=1");
		if (enabled)
			write_file(unit.path + "/enable", "1");
	}
	hundredths creation_time() const
	{
		return hundredths(static_cast<std::uint32_t>(std::stoul(
			read_line(unit.path + "/statistics/scsi_lu/creation_time"))));
	}

private:
	const configfs_folder adapter, unit;
};

} // namespace

TEST(a_logical_unit_was_created_now, .timeout = 30s,
     .differs_from_stock = "creation times are on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const period creating(CLOCK_MONOTONIC);
		const logical_unit unit;

		creating.expect_contains(unit.creation_time(), "creation_time", tick_error);
	});
}

TEST(creation_times_are_in_the_time_namespace_of_the_reader,
     .differs_from_stock = "creation times are on the host's clock")
{
	const logical_unit unit;
	const nanoseconds outside = unit.creation_time();

	in_namespace(some_offsets, [&] {
		expect_near(unit.creation_time(), outside + some_offsets.monotonic,
			    hundredths(1), "creation_time");
	});
	/* Before the zero of the clock there is no time. */
	in_namespace({ -now(CLOCK_MONOTONIC), -now(CLOCK_BOOTTIME) },
		     [&] { expect_eq(nanoseconds(unit.creation_time()), 0ns, "creation_time"); });
}

TEST(a_logical_unit_that_was_not_enabled_has_no_creation_time, .timeout = 30s,
     .differs_from_stock = "it is computed from a time that was not taken")
{
	from_each_viewpoint([](const shift &) {
		const logical_unit unit(false);

		expect_eq(nanoseconds(unit.creation_time()), 0ns, "creation_time");
	});
}
