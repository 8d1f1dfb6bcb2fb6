// SPDX-License-Identifier: GPL-2.0-only
/*
 * dates SECONDS: prints the date in seconds since 1970, waits until it is SECONDS, and
 * prints it again. Linked statically: a library that is preloaded does not reach it.
 */
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace
{

void print_date()
{
	timespec now{};

	clock_gettime(CLOCK_REALTIME, &now);
	std::printf("%lld.%09ld\n", static_cast<long long>(now.tv_sec), now.tv_nsec);
	std::fflush(stdout);
}

} /* namespace */

int main(int argc, char **argv)
{
	if (argc != 2) {
		std::fputs("usage: dates SECONDS\n", stderr);
		return 2;
	}
	const timespec then{ std::atoll(argv[1]), 0 };

	print_date();
	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &then, nullptr) == EINTR)
		;
	print_date();
	return 0;
}
