/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>

namespace timens
{

/*
 * An unsigned number of 128 bits, calculated digit by digit as on paper: what
 * the code under test does with 64 bits must not be repeated here. Whatever
 * does not fit is an error of the test.
 */
class wide {
public:
	wide(std::uint64_t value)
		: digits_{ static_cast<std::uint32_t>(value),
			   static_cast<std::uint32_t>(value >> 32) }
	{
	}

	wide operator+(const wide &other) const
	{
		wide sum(0);
		std::uint64_t carry = 0;

		for (std::size_t place = 0; place < digits_.size(); ++place) {
			carry += std::uint64_t(digits_[place]) + other.digits_[place];
			sum.digits_[place] = carry;
			carry >>= 32;
		}
		expect_none(carry);
		return sum;
	}

	wide operator*(std::uint32_t factor) const
	{
		wide product(0);
		std::uint64_t carry = 0;

		for (std::size_t place = 0; place < digits_.size(); ++place) {
			carry += std::uint64_t(digits_[place]) * factor;
			product.digits_[place] = carry;
			carry >>= 32;
		}
		expect_none(carry);
		return product;
	}

	struct division;
	division divide_by(std::uint32_t divisor) const;

	wide operator>>(unsigned int bits) const;

	std::uint64_t to_64_bits() const
	{
		expect_none(digits_[2] | digits_[3]);
		return digits_[0] | std::uint64_t(digits_[1]) << 32;
	}

private:
	static void expect_none(std::uint64_t rest)
	{
		if (rest)
			throw std::overflow_error("a number of the model does not fit");
	}

	std::array<std::uint32_t, 4> digits_; /* the lowest first */
};

struct wide::division {
	wide quotient;
	std::uint32_t remainder;
};

inline wide::division wide::divide_by(std::uint32_t divisor) const
{
	division result{ 0, 0 };
	std::uint64_t rest = 0;

	for (std::size_t place = digits_.size(); place--;) {
		rest = rest << 32 | digits_[place];
		result.quotient.digits_[place] = rest / divisor;
		rest %= divisor;
	}
	result.remainder = rest;
	return result;
}

inline wide wide::operator>>(unsigned int bits) const
{
	wide shifted = *this;

	for (; bits; --bits)
		shifted = shifted.divide_by(2).quotient;
	return shifted;
}

} /* namespace timens */
