/* SPDX-License-Identifier: GPL-2.0-only */
/* What the running kernel offers, found out by trying. */
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace timens
{

struct feature {
	std::string name;
	/* Nothing: the user may not try. */
	std::optional<bool> offered;
	/* What programs see that lack it. */
	std::string otherwise;
};

std::vector<feature> probe_features();

/* "Linux 6.12.1" */
std::string kernel_name();

} /* namespace timens */
