// SPDX-License-Identifier: GPL-2.0-only
/* timens features: what this kernel offers and lacks. */
#include "commands.hpp"
#include "features.hpp"
#include "options.hpp"

namespace timens
{

namespace
{

constexpr column columns[] = {
	{ "FEATURE", "what a kernel can offer" },
	{ "OFFERED", "yes, no, or - if you may not try" },
	{ "WITHOUT-IT", "what lacking it means, if it is not offered" },
};

std::string help()
{
	return "\nUsage:\n timens features [options]\n\n"
	       "Try what this kernel offers of time namespaces.\n\n"
	       "Options:\n" +
	       table_help +
	       "\n -h, --help              display this help\n"
	       " -V, --version           display version\n\n"
	       "Available output columns:\n" +
	       describe_columns(columns) +
	       "\nThe exit status is 1 if there are no time namespaces.\n"
	       "\nFor more details see timens(1).\n";
}

} /* namespace */

int command_features(int argc, char **argv)
{
	option_parser options(argc, argv, std::string(table_short_options), table_long_options(),
			      help());
	table_options wanted;

	for (int given; (given = options.next()) != -1;)
		take_table_option(given, wanted);
	options.operands(0, 0, "");

	table shown("features", columns, wanted);
	const auto features = probe_features();
	for (const auto &feature : features)
		shown.add({ cell::text(feature.name),
			    feature.offered ? cell::boolean(*feature.offered, "yes", "no")
					    : cell::none(),
			    cell::text(feature.offered == true ? "" : feature.otherwise) });
	print((wanted.json || !wanted.headings || wanted.columns ? "" : kernel_name() + "\n\n") +
	      shown.text(terminal_width()));
	return features.front().offered == true ? 0 : 1;
}

} /* namespace timens */
