/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <string>
#include <string_view>

namespace timens
{

/*
 * A text that other users choose, such as a command line: one line of UTF-8 in
 * which nothing moves the cursor. NUL and newline become spaces, at the end
 * nothing; other controls and bytes that are no UTF-8 become '?'.
 */
std::string printable(std::string_view text);

} /* namespace timens */
