// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times the functions of several vDSOs against each other on this processor.
 *
 * Machines are shared and clocks of processors move, so a time alone says
 * little. All variants run in turns, some microseconds each, in an order that
 * changes, and what counts is the ratio to the base within a round. The median
 * over many rounds drops those in which something else ran. Where the pages
 * lie matters too, by some percent: so they move now and then, and a figure is
 * the mean over the middle half of places, with its quartiles. A second copy of the base shows
 * what a figure is worth: its ratio has to be 1.
 */
#include "vdso_steps.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <getopt.h>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <sched.h>
#include <stdexcept>
#include <sys/resource.h>

namespace bench
{

namespace
{

constexpr int calls = 240; /* getrandom() makes a new batch every 12 */
constexpr int warm_up_calls = 24;
constexpr int warm_up_rounds = 8;
constexpr int cold_samples = 7; /* in each place */

struct options {
	struct image {
		std::string name, path;
		side where;
	};
	std::vector<image> images;
	std::vector<std::string> bases;
	int places = 401;
	int rounds = 21;
	bool cold = false;
	bool steps = false;
	bool numbers = false;
};

double quantile(std::vector<double> values, double q)
{
	const auto at = values.begin() + std::lround(q * (values.size() - 1));

	std::ranges::nth_element(values, at);
	return *at;
}

struct figure {
	double value, low, high; /* the mean between the quartiles, and these */
};

/* In some places a loop takes a whole cycle more: with two heaps of values the median would jump. */
figure summarise(std::vector<double> values)
{
	std::ranges::sort(values);
	const auto quarter = values.size() / 4, half = values.size() - 2 * quarter;
	const auto middle = values.begin() + quarter;

	return { std::accumulate(middle, middle + half, 0.0) / half, *middle,
		 *(middle + half - 1) };
}

struct variant {
	std::string name;
	std::unique_ptr<vdso_image> image;
};

/* A name beginning with a base's is timed against it. */
constexpr const char *again = ".again";

std::vector<variant> load(const options &wanted)
{
	std::vector<variant> variants;

	const auto add = [&](const options::image &each, const std::string &name) {
		try {
			const vdso_file file(each.path, each.where);
			variants.push_back({ name, std::make_unique<vdso_image>(file) });
		} catch (const std::exception &error) {
			throw std::runtime_error(each.path + ": " + error.what());
		}
	};
	for (const auto &each : wanted.images) {
		add(each, each.name);
		if (std::ranges::count(wanted.bases, each.name))
			add(each, each.name + again);
	}
	return variants;
}

double time_warm(const probe &what, vdso_image &image, probe_memory &memory)
{
	image.set_clocks();
	what.call(image, memory, warm_up_calls);
	const auto before = read_tsc();
	what.call(image, memory, calls);
	return static_cast<double>(read_tsc() - before) / calls;
}

/* The first call in pages that no cache holds, and whose addresses no TLB holds. */
double time_cold(const probe &what, vdso_image &image, probe_memory &memory)
{
	image.set_clocks();
	image.flush(); /* which fills the TLB, so move after it */
	image.move();
	const auto before = read_tsc();
	what.call(image, memory, 1);
	return read_tsc() - before;
}

/* By variant, then by base: one value for each place. */
struct series {
	std::vector<double> cycles;
	std::vector<std::vector<double>> ratios;
};

class measurement {
public:
	measurement(const std::vector<variant> &variants, std::vector<std::size_t> bases)
		: variants_(variants)
		, bases_(std::move(bases))
		, memory_(sizeof(probe_memory), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE)
	{
	}

	void time_place(const probe &what, bool cold, int rounds, std::vector<series> &into)
	{
		std::vector<std::vector<double>> cycles(variants_.size());
		std::vector<std::size_t> order(variants_.size());

		std::iota(order.begin(), order.end(), 0);
		for (int round = cold ? 0 : -warm_up_rounds; round < rounds; ++round) {
			std::ranges::shuffle(order, random_);
			for (const auto index : order) {
				const auto time = (cold ? time_cold : time_warm)(
					what, *variants_[index].image, memory());
				if (round >= 0)
					cycles[index].push_back(time);
			}
		}
		for (std::size_t index = 0; index < variants_.size(); ++index) {
			into[index].cycles.push_back(quantile(cycles[index], 0.5));
			for (std::size_t base = 0; base < bases_.size(); ++base)
				into[index].ratios[base].push_back(
					median_ratio(cycles[index], cycles[bases_[base]]));
		}
	}

private:
	probe_memory &memory() const
	{
		return *reinterpret_cast<probe_memory *>(memory_.data());
	}

	static double median_ratio(const std::vector<double> &ours, const std::vector<double> &base)
	{
		std::vector<double> ratios(ours.size());

		std::ranges::transform(ours, base, ratios.begin(), std::divides());
		return quantile(std::move(ratios), 0.5);
	}

	const std::vector<variant> &variants_;
	const std::vector<std::size_t> bases_;
	mapping memory_;
	std::mt19937 random_;
};

using results = std::map<std::string, std::vector<series>>; /* by probe */

results measure(const options &wanted, const std::vector<variant> &variants,
		const std::vector<std::size_t> &bases)
{
	measurement times(variants, bases);
	results found;

	for (const auto &what : list_probes())
		found[what.name].assign(variants.size(),
					{ {}, std::vector<std::vector<double>>(bases.size()) });
	for (int place = 0; place < wanted.places; ++place) {
		for (const auto &each : variants)
			each.image->renew();
		for (const auto &what : list_probes())
			times.time_place(what, wanted.cold,
					 wanted.cold ? cold_samples : wanted.rounds,
					 found[what.name]);
	}
	for (const auto &each : variants)
		each.image->verify();
	return found;
}

/* One figure on each line: VARIANT PROBE cycles|BASE VALUE QUARTILE QUARTILE */
void print_numbers(const options &wanted, const std::vector<variant> &variants,
		   const results &found)
{
	const auto print = [](const variant &each, const probe &what, const std::string &kind,
			      const std::vector<double> &values) {
		const auto value = summarise(values);

		printf("%s %s %s %.5g %.5g %.5g\n", each.name.c_str(), what.name, kind.c_str(),
		       value.value, value.low, value.high);
	};
	for (const auto &what : list_probes()) {
		for (std::size_t index = 0; index < variants.size(); ++index) {
			const auto &values = found.at(what.name)[index];

			print(variants[index], what, "cycles", values.cycles);
			for (std::size_t base = 0; base < wanted.bases.size(); ++base)
				print(variants[index], what, wanted.bases[base],
				      values.ratios[base]);
		}
	}
}

constexpr int width = 22;

void print_head(const std::string &title, const std::vector<variant> &variants)
{
	printf("%s\n%-17s", title.c_str(), "");
	for (const auto &each : variants)
		printf("%*s", width, each.name.c_str());
	printf("\n");
}

void print_tables(const options &wanted, const std::vector<variant> &variants, const results &found)
{
	print_head("cycles", variants);
	for (const auto &what : list_probes()) {
		printf("%-17s", what.name);
		for (const auto &each : found.at(what.name))
			printf("%*.1f", width, summarise(each.cycles).value);
		printf("\n");
	}
	for (std::size_t base = 0; base < wanted.bases.size(); ++base) {
		print_head("\nratio to " + wanted.bases[base] + " (and its quartiles)", variants);
		for (const auto &what : list_probes()) {
			printf("%-17s", what.name);
			for (const auto &each : found.at(what.name)) {
				const auto ratio = summarise(each.ratios[base]);
				printf("  %.3f (%.3f-%.3f)", ratio.value, ratio.low, ratio.high);
			}
			printf("\n");
		}
	}
}

void count(const options &wanted, const std::vector<variant> &variants)
{
	const mapping pages(sizeof(probe_memory), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS);
	auto &memory = *reinterpret_cast<probe_memory *>(pages.data());

	if (!wanted.numbers)
		print_head("instructions", variants);
	for (const auto &what : list_probes()) {
		if (!wanted.numbers)
			printf("%-17s", what.name);
		for (const auto &each : variants) {
			const int steps = count_instructions(*each.image, what, memory);
			if (wanted.numbers)
				printf("%s %s instructions %d\n", each.name.c_str(), what.name,
				       steps);
			else
				printf("%*d", width, steps);
		}
		if (!wanted.numbers)
			printf("\n");
	}
}

/* One processor, and the others' work should wait. */
void take_processor(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	check(sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
	setpriority(PRIO_PROCESS, 0, -20); /* as far as it is allowed */
}

std::vector<std::size_t> find_bases(const options &wanted, const std::vector<variant> &variants)
{
	std::vector<std::size_t> bases;

	for (const auto &name : wanted.bases) {
		const auto found = std::ranges::find(variants, name, &variant::name);

		if (found == variants.end())
			throw std::runtime_error("--base " + name +
						 ": no image has this name; it is NAME, or "
						 "NAME.outside");
		bases.push_back(found - variants.begin());
	}
	return bases;
}

constexpr const char usage[] =
	"usage: time_vdso [OPTIONS] --image NAME=FILE ...\n"
	"\n"
	"Times the functions of vDSOs against each other.\n"
	"\n"
	" --image NAME=FILE      a kernel's arch/x86/entry/vdso/vdso64.so.dbg, timed as\n"
	"                        NAME.outside and, if it knows namespaces, NAME.inside\n"
	" --dump NAME=FILE       what dump_vdso wrote, timed as NAME\n"
	" --base NAME            compare with this; may be repeated\n"
	"                        (default: the first image)\n"
	"\n"
	" --places NUMBER        how often the pages move (default 401)\n"
	" --rounds NUMBER        turns of each in a place (default 21)\n"
	" --cold                 time the first call, in pages that are not in a cache\n"
	" --instructions         count them instead, in single steps\n"
	" --cpu NUMBER           processor to run on (default: the one it starts on)\n"
	" --numbers              one figure a line, for scripts:\n"
	"                        NAME FUNCTION cycles|BASE VALUE QUARTILE QUARTILE\n"
	"                        NAME FUNCTION instructions COUNT\n"
	" --help                 this\n";

[[noreturn]] void complain(const std::string &what)
{
	fprintf(stderr, "time_vdso: %s; see --help\n", what.c_str());
	exit(2);
}

int to_number(const std::string &option, const char *text)
{
	char *end;
	const long value = strtol(text, &end, 10);

	if (*end || end == text || value < 0 || value > 1'000'000)
		complain(option + " wants a number, not '" + text + "'");
	return value;
}

std::pair<std::string, std::string> split_name(const std::string &option, std::string text)
{
	const auto middle = text.find('=');

	if (middle == std::string::npos)
		complain(option + " wants NAME=FILE, not '" + text + "'");
	return { text.substr(0, middle), text.substr(middle + 1) };
}

options parse(int argc, char **argv)
{
	enum { image = 1, dump, base, places, rounds, cold, instructions, cpu, numbers, help };
	constexpr option known[] = {
		{ "image", required_argument, nullptr, image },
		{ "dump", required_argument, nullptr, dump },
		{ "base", required_argument, nullptr, base },
		{ "places", required_argument, nullptr, places },
		{ "rounds", required_argument, nullptr, rounds },
		{ "cold", no_argument, nullptr, cold },
		{ "instructions", no_argument, nullptr, instructions },
		{ "cpu", required_argument, nullptr, cpu },
		{ "numbers", no_argument, nullptr, numbers },
		{ "help", no_argument, nullptr, help },
		{},
	};
	options wanted;
	int processor = sched_getcpu(), chosen;

	while ((chosen = getopt_long(argc, argv, "", known, nullptr)) != -1) {
		switch (chosen) {
		case image: {
			const auto [name, path] = split_name("--image", optarg);
			wanted.images.push_back({ name + ".outside", path, side::outside });
			if (knows_namespaces(path))
				wanted.images.push_back({ name + ".inside", path, side::inside });
			break;
		}
		case dump: {
			const auto [name, path] = split_name("--dump", optarg);
			wanted.images.push_back({ name, path, side::outside });
			break;
		}
		case base:
			wanted.bases.push_back(optarg);
			break;
		case places:
			wanted.places = to_number("--places", optarg);
			break;
		case rounds:
			wanted.rounds = to_number("--rounds", optarg);
			break;
		case cold:
			wanted.cold = true;
			break;
		case instructions:
			wanted.steps = true;
			break;
		case cpu:
			processor = to_number("--cpu", optarg);
			break;
		case numbers:
			wanted.numbers = true;
			break;
		case help:
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind != argc)
		complain("unknown argument '" + std::string(argv[optind]) + "'");
	if (wanted.images.empty())
		complain("no image: give --image NAME=FILE");
	if (!wanted.places || !wanted.rounds)
		complain("--places and --rounds are at least 1");
	if (wanted.bases.empty())
		wanted.bases.push_back(wanted.images[0].name);
	take_processor(processor);
	return wanted;
}

} /* namespace */

} /* namespace bench */

int main(int argc, char **argv)
{
	using namespace bench;

	try {
		const auto wanted = parse(argc, argv);
		const auto variants = load(wanted);
		if (wanted.steps) {
			count(wanted, variants);
			return 0;
		}
		const auto found = measure(wanted, variants, find_bases(wanted, variants));
		(wanted.numbers ? print_numbers : print_tables)(wanted, variants, found);
	} catch (const std::exception &error) {
		fprintf(stderr, "time_vdso: %s\n", error.what());
		return 1;
	}
}
