// SPDX-License-Identifier: GPL-2.0-only
#include "wall.hpp"

#include "error.hpp"

#include <charconv>
#include <ctime>

namespace timens
{

namespace
{

/* TIME_SETTOD_SEC_MAX: what the kernel's clocks can count, less 30 years to go on. */
constexpr seconds too_late = 8'277'292'036s;
constexpr int most_tai = 100'000;

bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

class date_parser {
public:
	explicit date_parser(std::string_view text)
		: text(text)
		, rest(text)
	{
	}

	nanoseconds parse()
	{
		take_day();
		if (rest.size() > 1 && is_digit(rest[1]) && (take('T') || take(' ')))
			take_time_of_day();
		const auto whole = take_zone();
		if (!rest.empty())
			fail();
		if (whole < 0s)
			fail("it is before 1970");
		/* So that nanoseconds can hold it. */
		if (whole >= too_late)
			fail("beyond 2232");
		return whole + fraction;
	}

private:
	[[noreturn]] void
	fail(const std::string &why = "expected one such as '2030-01-01 12:00', "
				      "'2030-01-01T12:00:00Z', or seconds since 1970") const
	{
		throw usage_error("invalid date '" + std::string(text) + "': " + why);
	}

	bool take(char c)
	{
		if (!rest.starts_with(c))
			return false;
		rest.remove_prefix(1);
		return true;
	}

	void expect(char c)
	{
		if (!take(c))
			fail();
	}

	int take_number(std::size_t digits)
	{
		int number = 0;

		if (rest.size() < digits)
			fail();
		for (; digits; --digits) {
			if (!is_digit(rest[0]))
				fail();
			number = number * 10 + (rest[0] - '0');
			rest.remove_prefix(1);
		}
		return number;
	}

	void take_day()
	{
		using namespace std::chrono;

		const year year(take_number(4));
		expect('-');
		const month month(take_number(2));
		expect('-');
		const year_month_day day{ year, month, std::chrono::day(take_number(2)) };
		if (!day.ok())
			fail("there is no such day");
		date = day;
	}

	void take_time_of_day()
	{
		const int hour = take_number(2);
		expect(':');
		const int minute = take_number(2);
		const int second = take(':') ? take_number(2) : 0;
		if (hour > 23 || minute > 59 || second > 59)
			fail("there is no such time of day");
		time = std::chrono::hours(hour) + std::chrono::minutes(minute) + seconds(second);
		if (!take('.'))
			return;
		auto unit = 100'000'000ns;
		if (rest.empty() || !is_digit(rest[0]))
			fail();
		for (; !rest.empty() && is_digit(rest[0]); unit /= 10) {
			if (unit == 0ns)
				fail("finer than a nanosecond");
			fraction += take_number(1) * unit;
		}
	}

	seconds take_zone()
	{
		const auto utc = std::chrono::sys_days(date).time_since_epoch() + time;

		take(' ');
		if (rest.empty())
			return local();
		if (take('Z'))
			return utc;
		if (rest.starts_with("UTC")) {
			rest.remove_prefix(3);
			return utc;
		}
		const bool east = take('+');
		if (!east)
			expect('-');
		const int hour = take_number(2);
		take(':');
		const int minute = take_number(2);
		if (hour > 14 || minute > 59)
			fail("there is no such time zone");
		const auto ahead = std::chrono::hours(hour) + std::chrono::minutes(minute);
		return east ? utc - ahead : utc + ahead;
	}

	/* What mktime(3) moves is a time that clocks have left out for the summer. */
	seconds local() const
	{
		tm wanted{}, found{};

		wanted.tm_year = static_cast<int>(date.year()) - 1900;
		wanted.tm_mon = static_cast<int>(static_cast<unsigned int>(date.month())) - 1;
		wanted.tm_mday = static_cast<int>(static_cast<unsigned int>(date.day()));
		wanted.tm_hour = static_cast<int>(time / 1h);
		wanted.tm_min = static_cast<int>(time % 1h / 1min);
		wanted.tm_sec = static_cast<int>((time % 1min).count());
		wanted.tm_isdst = -1;
		auto normal = wanted;
		const auto when = mktime(&normal);
		if (!localtime_r(&when, &found) || found.tm_mday != wanted.tm_mday ||
		    found.tm_hour != wanted.tm_hour || found.tm_min != wanted.tm_min)
			fail("there is no such time in this time zone");
		return seconds(when);
	}

	const std::string_view text;
	std::string_view rest;
	std::chrono::year_month_day date;
	seconds time{};
	nanoseconds fraction{};
};

/* Only dates have a hyphen within, and only times of day a colon. */
bool is_date(std::string_view text)
{
	return text.find('-', 1) != text.npos || text.find(':') != text.npos;
}

} /* namespace */

const std::string no_wall_clocks =
	"this kernel has no wall clocks for time namespaces: one with CONFIG_TIME_NS_WALL=y is "
	"needed";

const char *name_of(wall_mode mode)
{
	switch (mode) {
	case wall_mode::follow:
		return "FOLLOW";
	case wall_mode::own:
		return "OWN";
	case wall_mode::host:
		break;
	}
	return "HOST";
}

nanoseconds parse_date(std::string_view text)
{
	return date_parser(text).parse();
}

std::string format_date(nanoseconds time)
{
	const std::time_t whole = std::chrono::floor<seconds>(time).count();
	char text[64];
	tm fields{};

	if (!localtime_r(&whole, &fields) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &fields))
		return format_seconds(time, 0);
	return text;
}

clock_setting parse_wall_setting(std::string_view text)
{
	if (!text.starts_with('@') && !text.starts_with('=')) {
		if (is_date(text))
			throw usage_error("invalid offset '" + std::string(text) +
					  "': a date stands after '@', as in '@2030-01-01 12:00'");
		return { setting_kind::offset, parse_duration(text) };
	}
	const auto value = text.substr(1);
	if (is_date(value))
		return { setting_kind::value, parse_date(value) };
	const auto time = parse_duration(value);
	if (time < 0ns)
		throw usage_error("invalid date '" + std::string(value) + "': it is before 1970");
	return { setting_kind::value, time };
}

seconds parse_tai(std::string_view text)
{
	const auto *end = text.data() + text.size();
	int tai = -1;

	if (std::from_chars(text.data(), end, tai).ptr != end || tai < 0 || tai > most_tai)
		throw usage_error("invalid --tai '" + std::string(text) +
				  "': seconds from CLOCK_REALTIME to CLOCK_TAI, 0 to " +
				  std::to_string(most_tai) + "; 37 is right since 2017");
	return seconds(tai);
}

nanoseconds resolve_wall(const clock_setting &setting, nanoseconds host, nanoseconds boottime)
{
	const bool exact = setting.kind == setting_kind::value;
	const auto value = exact ? setting.time : add(host, setting.time);
	const auto name =
		"--realtime '" +
		(exact ? "@" + format_seconds(setting.time) : format_offset(setting.time)) + "': ";

	if (value && *value < 0ns)
		throw usage_error(name + "the date would be before 1970");
	if (value && *value < boottime)
		throw usage_error(name +
				  "the machine would have booted before 1970: the lowest "
				  "value is the CLOCK_BOOTTIME there, " +
				  format_duration(std::chrono::ceil<seconds>(boottime)));
	if (!value || *value >= too_late)
		throw usage_error(name + "the date would be beyond 2232, too late to be set");
	return *value - host;
}

} /* namespace timens */
