// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages from which the vDSO reads the clocks, as a program can see them:
 * where they are mapped, and what they hold.
 */
#pragma once

#include "harness.hpp"
#include "kernel.hpp"

#include <optional>
#include <string>
#include <vector>

namespace timens
{

extern const std::size_t page_size;

/* A line of proc_pid_maps(5). */
struct mapping {
	char *start;
	std::size_t size;
	std::string name;
};

/* The mappings of the kernel's for the vDSO: data, then code. */
std::vector<mapping> vdso_mappings();
/* The data, which begins with the vvar page; throws check_failed if there is none. */
mapping vvar_mapping();

/* Is this the page of a namespace? Else it is the host's. */
bool is_namespace_page(const char *page);

/*
 * The offsets in a vvar page, none in the host's. They are all that the page of a
 * namespace holds: throws if there is anything else.
 */
std::optional<offsets> offsets_in_page(const char *page);

/* Room for mappings that move; what is moved there replaces it. */
char *reserve(std::size_t size);
void move_mapping(const mapping &from, char *to);

} // namespace timens
