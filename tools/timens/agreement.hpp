/* SPDX-License-Identifier: GPL-2.0-only */
/* Do the views of time that one process has agree, and does time go on? */
#pragma once

#include "duration.hpp"

#include <string>
#include <vector>

namespace timens
{

enum class finding {
	good,
	/* This machine, this kernel or the caller's rights do not have it. */
	not_here,
	/* It has failed in a way that says nothing about the time. */
	not_checked,
	wrong,
};

struct verdict {
	std::string name;
	finding found;
	/* How it was found, or what is wrong. */
	std::string detail;
};

/* Each view of time lies between two readings of the clock that it reports. */
std::vector<verdict> compare_views();

/* Waits until an absolute time on each clock: not too short, not without an end. */
std::vector<verdict> measure_waits();

/* Readers on every CPU, so long: no one sees a clock before what another has seen. */
std::vector<verdict> watch_steps(nanoseconds length);

} /* namespace timens */
