// SPDX-License-Identifier: GPL-2.0-only
#include "duration.hpp"

#include "error.hpp"

#include <cstdint>
#include <limits>

namespace timens
{

namespace
{

__extension__ using wide = unsigned __int128;

struct unit {
	std::string_view name;
	std::uint64_t nanoseconds;
};

/* In the order in which a duration has them. */
constexpr unit units[] = {
	{ "w", 604'800'000'000'000 },
	{ "d", 86'400'000'000'000 },
	{ "h", 3'600'000'000'000 },
	{ "m", 60'000'000'000 },
	{ "s", 1'000'000'000 },
	{ "ms", 1'000'000 },
	{ "us", 1'000 },
	{ "ns", 1 },
};
constexpr const unit &second_unit = units[4];

bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class parser {
public:
	explicit parser(std::string_view text)
		: text(text)
		, rest(text)
	{
	}

	nanoseconds parse()
	{
		const bool negative = take('-');
		const unit *previous = nullptr;
		wide sum = 0;

		if (!negative)
			take('+');
		if (rest.empty())
			fail("expected a duration such as 3d4h, 90s or 0.5s");
		while (!rest.empty()) {
			const auto number = take_number();
			const auto &unit = take_unit(previous);

			sum += in_nanoseconds(number, unit);
			previous = &unit;
		}
		return signed_time(negative, sum);
	}

private:
	struct decimal {
		std::string_view whole, fraction;
	};

	[[noreturn]] void fail(const std::string &message) const
	{
		throw usage_error("invalid duration '" + std::string(text) + "': " + message);
	}

	[[noreturn]] void fail_range() const
	{
		fail("beyond the 292 years that a clock can count");
	}

	bool take(char c)
	{
		if (!rest.starts_with(c))
			return false;
		rest.remove_prefix(1);
		return true;
	}

	std::string_view take_while(bool (*matches)(char))
	{
		std::size_t length = 0;

		while (length < rest.size() && matches(rest[length]))
			++length;
		const auto taken = rest.substr(0, length);
		rest.remove_prefix(length);
		return taken;
	}

	decimal take_number()
	{
		decimal number{ take_while(is_digit), {} };

		if (number.whole.empty())
			fail("expected a number before '" + std::string(rest) +
			     "', as in 3d4h, 90s or 0.5s");
		if (take('.')) {
			number.fraction = take_while(is_digit);
			if (number.fraction.empty())
				fail("expected digits after the point");
		}
		return number;
	}

	const unit &take_unit(const unit *previous)
	{
		const auto name = take_while(is_letter);

		if (name.empty() && rest.empty() && !previous)
			return second_unit;
		for (const auto &unit : units) {
			if (unit.name != name)
				continue;
			if (previous && &unit <= previous)
				fail("larger units come first, each only once");
			return unit;
		}
		fail((name.empty() ? "a unit is missing" : "no unit '" + std::string(name) + "'") +
		     std::string("; there are w, d, h, m, s, ms, us and ns"));
	}

	wide in_nanoseconds(decimal number, const unit &unit) const
	{
		wide time = 0, fraction = 0, scale = 1;

		for (const char digit : number.whole) {
			time = time * 10 + (digit - '0');
			if (time > std::numeric_limits<std::uint64_t>::max())
				fail_range();
		}
		while (number.fraction.ends_with('0'))
			number.fraction.remove_suffix(1);
		/* No unit has as many factors of ten as this. */
		if (number.fraction.size() > 18)
			fail("finer than a nanosecond");
		for (const char digit : number.fraction) {
			fraction = fraction * 10 + (digit - '0');
			scale *= 10;
		}
		fraction *= unit.nanoseconds;
		if (fraction % scale)
			fail("finer than a nanosecond");
		return time * unit.nanoseconds + fraction / scale;
	}

	nanoseconds signed_time(bool negative, wide sum) const
	{
		constexpr wide limit = std::numeric_limits<std::int64_t>::max();

		if (sum > limit + negative)
			fail_range();
		/* In unsigned arithmetic, where the lowest number has its negative. */
		const auto low = static_cast<std::uint64_t>(sum);
		return nanoseconds(static_cast<std::int64_t>(negative ? -low : low));
	}

	const std::string_view text;
	std::string_view rest;
};

std::uint64_t magnitude(nanoseconds time)
{
	const auto bits = static_cast<std::uint64_t>(time.count());

	return time.count() < 0 ? -bits : bits;
}

/* Nine digits of a fraction, cut. */
std::string fraction_digits(std::uint64_t nanoseconds, int digits)
{
	const auto text = std::to_string(nanoseconds);

	return (std::string(9 - text.size(), '0') + text).substr(0, digits);
}

} /* namespace */

nanoseconds parse_duration(std::string_view text)
{
	return parser(text).parse();
}

std::string format_duration(nanoseconds time)
{
	const auto all = magnitude(time);
	std::string text = time < 0ns ? "-" : "";
	auto rest = all;

	for (const auto *unit = &units[1]; unit != &second_unit; ++unit) {
		if (const auto number = rest / unit->nanoseconds)
			text += std::to_string(number) + std::string(unit->name);
		rest %= unit->nanoseconds;
	}
	if (rest || !all) {
		text += std::to_string(rest / second_unit.nanoseconds);
		if (const auto fraction = rest % second_unit.nanoseconds) {
			text += "." + fraction_digits(fraction, 9);
			text.erase(text.find_last_not_of('0') + 1);
		}
		text += "s";
	}
	return text;
}

std::string format_offset(nanoseconds offset)
{
	return (offset > 0ns ? "+" : "") + format_duration(offset);
}

std::string format_seconds(nanoseconds time, int digits)
{
	auto shown = magnitude(time);
	std::uint64_t step = 1;

	for (int digit = digits; digit < 9; ++digit)
		step *= 10;
	if (time < 0ns)
		shown = (shown + step - 1) / step * step;
	const auto text = std::to_string(shown / second_unit.nanoseconds);
	return (time < 0ns ? "-" : "") + text +
	       (digits ? "." + fraction_digits(shown % second_unit.nanoseconds, digits) : "");
}

std::optional<nanoseconds> add(nanoseconds left, nanoseconds right)
{
	std::int64_t sum;

	if (__builtin_add_overflow(left.count(), right.count(), &sum))
		return {};
	return nanoseconds(sum);
}

} /* namespace timens */
