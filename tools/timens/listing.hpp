/* SPDX-License-Identifier: GPL-2.0-only */
/* The tables of timens list and timens show, which timens watch shows again and again. */
#pragma once

#include "namespaces.hpp"
#include "table.hpp"
#include "views.hpp"
#include "visitor.hpp"

#include <memory>
#include <string>

namespace timens
{

/* The time namespaces that there are, now. */
std::string list_text(const table_options &options);

/* Every view of time, here and in another namespace, or here alone. */
class showing {
public:
	explicit showing(const std::optional<std::string> &other);

	/* Which namespaces these are, in words, as of the last text(). */
	std::string heading() const;
	/* Reads them all; once more if the wall clock has been set meanwhile. */
	std::string text(const table_options &options);
	/* Did a view there differ from what the offsets say? */
	bool has_wrong() const
	{
		return wrong;
	}

private:
	struct place {
		clock_times offsets;
		wall_clock wall;

		bool operator==(const place &) const = default;
	};

	static place look_here();
	place look_there() const;
	std::vector<cell> compare(int number);
	std::vector<cell> alone(const view &what) const;

	bool is_remote;
	target there;
	place own, other;
	std::vector<view> views;
	std::unique_ptr<visitor> inside;
	bool wrong = false;
};

} /* namespace timens */
