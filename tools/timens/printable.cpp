// SPDX-License-Identifier: GPL-2.0-only
#include "printable.hpp"

namespace timens
{

namespace
{

/* How long the character is that begins the text; 0 if that is none. */
std::size_t character_length(std::string_view text)
{
	const auto byte = [&](std::size_t i) -> unsigned int {
		return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
	};
	const auto first = byte(0);
	const std::size_t length = first < 0x80	  ? 1
				   : first < 0xc2 ? 0
				   : first < 0xe0 ? 2
				   : first < 0xf0 ? 3
				   : first < 0xf5 ? 4
						  : 0;

	for (std::size_t i = 1; i < length; ++i) {
		if ((byte(i) & 0xc0) != 0x80)
			return 0;
	}
	/* Too long for what they say, surrogates, and beyond the last character. */
	if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
	    (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))
		return 0;
	return length;
}

bool is_control(std::string_view character)
{
	const auto first = static_cast<unsigned char>(character[0]);

	return first < ' ' || first == 0x7f ||
	       (first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0);
}

} /* namespace */

std::string printable(std::string_view text)
{
	std::string shown;

	while (!text.empty()) {
		const auto length = character_length(text);
		const auto character = text.substr(0, length ? length : 1);

		if (character[0] == '\0' || character[0] == '\n')
			shown += ' ';
		else if (!length || is_control(character))
			shown += '?';
		else
			shown += character;
		text.remove_prefix(character.size());
	}
	shown.erase(shown.find_last_not_of(' ') + 1);
	return shown;
}

} /* namespace timens */
