// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_timens: runs random operations on time namespaces, and compares what the
 * kernel does with the contract. fuzz-kernels runs it on two kernels.
 */
#include "session.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <getopt.h>
#include <iostream>
#include <numeric>
#include <optional>
#include <sched.h>
#include <sstream>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fuzz
{

namespace
{

constexpr auto usage = R"(usage: fuzz_timens [OPTION]...
Run random operations on time namespaces as root, and print a line for each.

  --kernel KERNEL      timens (default) or stock: known differences are expected
  --seed SEED          where the random numbers begin (default 1)
  --operations COUNT   how many in all (default 10000)
  --length COUNT       how many in a sequence, after which all begins anew
                       (default 400)
  --plan FILE          run only this; each line is the number of a sequence and
                       the operations of it that are kept
  --list-differences   names and reasons of the differences of stock
  --help               this text

It ends with 0 if the kernel kept to the contract, with 1 if not.
)";

struct settings {
	flavour kernel = flavour::timens;
	std::uint64_t seed = 1;
	unsigned long operations = 10000;
	unsigned length = 400;
	std::string plan;
	sabotage wrong = sabotage::none;
};

struct totals {
	unsigned long operations = 0;
	unsigned long divergences = 0;
	unsigned long moved = 0;
	std::map<std::string_view, unsigned long> met;
};

int check(int result, const char *call)
{
	if (result < 0)
		throw std::runtime_error(std::string(call) + ": " + strerror(errno));
	return result;
}

/* What tasks find again after exec. */
board &make_board()
{
	int ends[2];

	const int memory = check(memfd_create("board", 0), "memfd_create");
	check(ftruncate(memory, sizeof(board)), "ftruncate");
	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), "socketpair");
	check(dup2(memory, board_fd), "dup2");
	check(dup2(ends[0], files_fd), "dup2");
	check(dup2(ends[1], controller_fd), "dup2");
	for (const int fd : { memory, ends[0], ends[1] })
		close(fd);
	return map_board();
}

/* One processor: an order is then a switch of tasks, with no other processor to be woken. */
void stay_on_one_processor()
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	check(sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity");
}

void run_sequence(board &shared, const settings &chosen, unsigned number,
		  const std::vector<operation> &operations, totals &sum)
{
	session run(shared, chosen.kernel, chosen.wrong);

	for (const auto &each : operations) {
		try {
			sum.operations++;
			printf("%u.%u %s\n", number, each.index, run.run(each).c_str());
		} catch (const divergence &error) {
			printf("%u.%u DIVERGENCE %s\n", number, each.index, error.what());
			sum.divergences++;
			break;
		}
	}
	sum.moved += run.moved;
	/* Should the kernel die in the next one, this is known. */
	fflush(stdout);
	for (const auto &[name, count] : run.met)
		sum.met[name] += count;
}

void run_plan(board &shared, const settings &chosen, totals &sum)
{
	std::ifstream plan(chosen.plan);
	unsigned index = 0;

	if (!plan)
		throw std::runtime_error("cannot read " + chosen.plan);
	for (std::string line; std::getline(plan, line); index++) {
		std::istringstream words(line);
		std::vector<operation> kept;
		unsigned number = 0, each;

		words >> number;
		const auto whole = make_sequence(chosen.seed, number, chosen.length);
		while (words >> each)
			kept.push_back(whole.at(each));
		printf("plan %u\n", index);
		run_sequence(shared, chosen, number, kept, sum);
	}
}

void run_all(board &shared, const settings &chosen, totals &sum)
{
	for (unsigned number = 0; sum.operations < chosen.operations && sum.divergences < 10;
	     number++) {
		const auto left = chosen.operations - sum.operations;
		auto operations = make_sequence(chosen.seed, number, chosen.length);

		operations.resize(std::min<std::size_t>(operations.size(), left));
		run_sequence(shared, chosen, number, operations, sum);
	}
}

settings parse_arguments(int argc, char *argv[])
{
	static const option options[] = {
		{ "kernel", required_argument, nullptr, 'k' },
		{ "seed", required_argument, nullptr, 's' },
		{ "operations", required_argument, nullptr, 'o' },
		{ "length", required_argument, nullptr, 'l' },
		{ "plan", required_argument, nullptr, 'p' },
		{ "list-differences", no_argument, nullptr, 'd' },
		{ "sabotage", required_argument, nullptr, 'w' }, /* for the self-test */
		{ "help", no_argument, nullptr, 'h' },
		{},
	};
	settings chosen;

	for (int letter; (letter = getopt_long(argc, argv, "+", options, nullptr)) != -1;) {
		const std::string value = optarg ? optarg : "";

		switch (letter) {
		case 'k':
			if (value != "timens" && value != "stock")
				throw std::invalid_argument("--kernel is timens or stock, not '" +
							    value + "'");
			chosen.kernel = value == "stock" ? flavour::stock : flavour::timens;
			break;
		case 's':
			chosen.seed = std::stoull(value);
			break;
		case 'o':
			chosen.operations = std::stoul(value);
			break;
		case 'l':
			chosen.length = std::stoul(value);
			break;
		case 'p':
			chosen.plan = value;
			break;
		case 'w':
			chosen.wrong = parse_sabotage(value);
			break;
		case 'd':
			for (const auto &each : known_differences)
				std::cout << each.name << ": " << each.reason << '\n';
			std::exit(0);
		case 'h':
			std::cout << usage;
			std::exit(0);
		default:
			std::exit(2);
		}
	}
	if (optind < argc)
		throw std::invalid_argument("unexpected argument '" + std::string(argv[optind]) +
					    "'");
	return chosen;
}

int run(int argc, char *argv[])
{
	const auto chosen = parse_arguments(argc, argv);
	totals sum;
	sigset_t alarm;

	/* A timer's signal is waited for, never delivered. */
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm, nullptr);
	stay_on_one_processor();
	auto &shared = make_board();
	if (chosen.plan.empty())
		run_all(shared, chosen, sum);
	else
		run_plan(shared, chosen, sum);
	printf("end: %lu operations, %lu with moved clocks, %lu divergences", sum.operations,
	       sum.moved, sum.divergences);
	for (const auto &[name, count] : sum.met)
		printf(", %s %lu times", std::string(name).c_str(), count);
	printf("\n");
	return sum.divergences ? 1 : 0;
}

} /* namespace */

} /* namespace fuzz */

int main(int argc, char *argv[])
{
	if (argc == 3 && !strcmp(argv[1], "--task"))
		fuzz::begin_service(std::atoi(argv[2]));
	try {
		return fuzz::run(argc, argv);
	} catch (const std::exception &error) {
		fprintf(stderr, "fuzz_timens: %s\n", error.what());
		return 2;
	}
}
