// SPDX-License-Identifier: GPL-2.0-only
#include "offsets.hpp"

#include "error.hpp"

#include <cstdint>
#include <sstream>

namespace timens
{

namespace
{

/* Half of what the kernel's clocks can count, so that they do not run over. */
constexpr nanoseconds latest = 4'611'686'019s - 1ns;

std::string line(const char *clock, nanoseconds offset)
{
	const bool borrow = offset % 1s < 0ns;

	return std::string(clock) + " " + std::to_string(offset / 1s - borrow) + " " +
	       std::to_string((offset % 1s + (borrow ? 1s : 0s)).count()) + "\n";
}

} /* namespace */

/* The way through the past keeps the earliest time from running over. */
std::optional<nanoseconds> join_time(std::int64_t whole, std::int64_t fraction)
{
	const std::int64_t borrow = whole < 0 ? nanoseconds(1s).count() : 0;
	std::int64_t sum;

	if (__builtin_mul_overflow(whole + (borrow != 0), nanoseconds(1s).count(), &sum) ||
	    __builtin_add_overflow(sum, fraction - borrow, &sum))
		return {};
	return nanoseconds(sum);
}

clock_setting parse_clock_setting(std::string_view text)
{
	if (!text.starts_with('@') && !text.starts_with('='))
		return { setting_kind::offset, parse_duration(text) };
	const auto value = parse_duration(text.substr(1));
	if (value < 0ns)
		throw usage_error("invalid value '" + std::string(text.substr(1)) +
				  "': a clock cannot be below zero");
	return { setting_kind::value, value };
}

nanoseconds resolve(const clock_setting &setting, std::string_view option, nanoseconds host)
{
	const bool exact = setting.kind == setting_kind::value;
	const auto value = exact ? setting.time : add(host, setting.time);
	const auto name = std::string(option) + " '" +
			  (exact ? format_duration(setting.time) : format_offset(setting.time)) +
			  "': ";

	if (value && *value < 0ns)
		throw usage_error(name + "the clock would be below zero: the lowest offset is -" +
				  format_duration(std::chrono::floor<seconds>(host)) + ", or " +
				  std::string(option) + " @0 for the lowest value");
	if (!value || *value > latest)
		throw usage_error(name +
				  "the clock would be beyond 146 years: the highest value is " +
				  format_duration(std::chrono::floor<seconds>(latest)));
	return *value - host;
}

std::string offsets_text(const clock_times &offsets)
{
	return line("monotonic", offsets.monotonic) + line("boottime", offsets.boottime);
}

std::string realtime_text(nanoseconds offset)
{
	return line("realtime", offset);
}

std::optional<clock_times> parse_offsets(const std::string &text)
{
	std::istringstream words(text);
	clock_times offsets;
	std::string clock;
	std::int64_t whole, fraction;
	int found = 0;

	while (words >> clock >> whole >> fraction) {
		const auto time = join_time(whole, fraction);

		if (!time)
			return {};
		if (clock == "monotonic")
			offsets.monotonic = *time;
		else if (clock == "boottime")
			offsets.boottime = *time;
		else if (clock == "realtime")
			offsets.realtime = offsets.tai = *time;
		found += clock == "monotonic" || clock == "boottime";
	}
	if (found != 2)
		return {};
	return offsets;
}

} /* namespace timens */
