// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times of the kernel log, by /dev/kmsg (Documentation/ABI/testing/dev-kmsg) and
 * syslog(2). They are near CLOCK_MONOTONIC, but not on it: what one reader sees is
 * compared with what another sees of the same record.
 */
#include "kernel.hpp"
#include "process.hpp"
#include "shifts.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>

#include <fcntl.h>
#include <sys/klog.h>
#include <unistd.h>

using namespace timens;

namespace
{

using microseconds = std::chrono::microseconds;

enum { read_next = 2, read_all = 3, size_unread = 9, size_buffer = 10 };

/* A text that no other record has. */
std::string new_marker()
{
	static int count = 0;

	return "timens kmsg test " + std::to_string(getpid()) + "." + std::to_string(count++) + ";";
}

void log_record(const std::string &text)
{
	/* A new file each time: what one writes is limited in its rate. */
	const unique_fd file = open_file("/dev/kmsg", O_WRONLY);
	const std::string record = "<7>" + text + "\n";

	check(write(file.get(), record.data(), record.size()), "write to /dev/kmsg");
}

std::string log_marker()
{
	const auto marker = new_marker();

	log_record(marker);
	return marker;
}

/* Its time in /dev/kmsg, "PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT". */
microseconds time_in_device(const std::string &marker)
{
	const unique_fd file = open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char record[8192];

	for (;;) {
		const auto size = read(file.get(), record, sizeof(record) - 1);
		long long time;

		/* Records may have gone meanwhile. */
		if (size < 0 && errno == EPIPE)
			continue;
		check(size, "read of /dev/kmsg");
		record[size] = 0;
		if (std::string_view(record).find(marker) == std::string_view::npos)
			continue;
		if (std::sscanf(record, "%*u,%*u,%lld,", &time) != 1)
			throw check_failed("unknown record " + show(record));
		return microseconds(time);
	}
}

/* The line that the marker is in, from the newline before it. */
std::optional<std::string> line_with(const std::string &text, const std::string &marker)
{
	const auto place = text.find(marker);

	if (place == text.npos)
		return {};

	const auto begin = text.rfind('\n', place) + 1;

	return text.substr(begin, text.find('\n', place) - begin);
}

/* "<PRIORITY>[SECONDS.MICROSECONDS] TEXT" */
microseconds time_in_line(const std::string &line)
{
	long long whole;
	long long fraction;

	if (std::sscanf(line.c_str(), "<%*u>[%lld.%6lld]", &whole, &fraction) != 2)
		throw check_failed("unknown line " + show(line));
	return seconds(whole) + microseconds(fraction);
}

std::string whole_log()
{
	std::string text(check(klogctl(size_buffer, nullptr, 0), "syslog"), '\0');

	text.resize(check(klogctl(read_all, text.data(), text.size()), "syslog"));
	return text;
}

microseconds time_in_whole_log(const std::string &marker)
{
	const auto line = line_with(whole_log(), marker);

	if (!line)
		throw check_failed("the log has no " + marker);
	return time_in_line(*line);
}

/* Takes out of the log what is unread there, up to the marker. */
microseconds time_by_reading(const std::string &marker)
{
	std::string text;

	for (;;) {
		char part[8192];

		text.append(part, check(klogctl(read_next, part, sizeof(part)), "syslog"));
		if (const auto line = line_with(text, marker))
			return time_in_line(*line);
	}
}

/* One reader rounds after it has moved the time, the other before. */
void expect_moved(microseconds inside, microseconds outside, const offsets &by,
		  const std::string &name)
{
	const auto expected = std::max<nanoseconds>(outside + by.monotonic, 0s);

	expect_ge<nanoseconds>(inside, expected - 1us, name);
	expect_le<nanoseconds>(inside, expected + 2us, name);
}

} // namespace

TEST(records_are_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "they are on the host's clock")
{
	const auto marker = log_marker();
	const auto outside = time_in_device(marker);

	expect_near(outside, now(CLOCK_MONOTONIC), 100s, "outside");
	for (const shift &shift : all_shifts()) {
		const auto name = std::string(shift.name);

		in_namespace(shift.by, [&] {
			expect_moved(time_in_device(marker), outside, shift.by,
				     name + " in /dev/kmsg");
			expect_moved(time_in_whole_log(marker), outside, shift.by,
				     name + " in the whole log");
		});
	}
}

TEST(unread_records_are_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "they are on the host's clock")
{
	for (const shift &shift : all_shifts()) {
		const auto marker = log_marker();
		const auto outside = time_in_device(marker);

		in_namespace(shift.by, [&] {
			expect_moved(time_by_reading(marker), outside, shift.by,
				     std::string(shift.name));
		});
	}
}

TEST(what_happened_before_the_zero_of_the_clock_has_the_time_0,
     .differs_from_stock = "they are on the host's clock")
{
	const auto marker = log_marker();
	const auto outside = time_in_device(marker);

	/* The zero is a second after the record. */
	while (now(CLOCK_MONOTONIC) < outside + 2s)
		sched_yield();
	in_namespace({ -nanoseconds(outside) - 1s, 0s }, [&] {
		expect_eq(time_in_device(marker), microseconds(0), "in /dev/kmsg");
		expect_eq(time_in_whole_log(marker), microseconds(0), "in the whole log");
	});
}

/* A file that was opened outside too. */
TEST(readers_of_one_file_see_their_own_clock, .differs_from_stock = "they see the host's clock")
{
	const unique_fd file = open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	const auto read_time = [&] {
		char record[8192];
		long long time = -1;

		check(lseek(file.get(), 0, SEEK_DATA), "lseek");
		record[check(read(file.get(), record, sizeof(record) - 1), "read")] = 0;
		std::sscanf(record, "%*u,%*u,%lld,", &time);
		return microseconds(time);
	};
	const auto outside = read_time();

	in_namespace(some_offsets,
		     [&] { expect_moved(read_time(), outside, some_offsets, "inside"); });
	expect_eq(read_time(), outside, "outside again");
}

/*
 * The log is as large as it is: where it does not fit, the oldest records are left
 * out, and longer times are reckoned with.
 */
TEST(a_small_buffer_gets_the_newest_records_with_longer_times, .timeout = 30s)
{
	constexpr int count = 60;
	std::string last;

	for (int i = 0; i < count; i++)
		last = log_marker();
	in_namespace({ seconds(4'000'000'000), 0s }, [&] {
		/* Others may log meanwhile: then once more. */
		for (int i = 0; i < 10; i++) {
			char text[2000];
			const int size = check(klogctl(read_all, text, sizeof(text)), "syslog");

			if (line_with(std::string(text, size), last))
				return;
			last = log_marker();
		}
		throw check_failed("the newest record is not there");
	});
}

/* What is unread is counted as long as it is for the reader. */
TEST(the_size_of_what_is_unread_is_that_of_the_reader, .timeout = 30s)
{
	time_by_reading(log_marker());
	in_namespace({ seconds(4'000'000'000), 0s }, [&] {
		for (int i = 0; i < 10; i++) {
			const auto marker = log_marker();
			char text[8192];
			const int expected = check(klogctl(size_unread, nullptr, 0), "syslog");
			const int size = check(klogctl(read_next, text, sizeof(text)), "syslog");

			/* If nobody else has logged. */
			if (std::string_view(text, size).find('\n') + 1 ==
			    static_cast<std::size_t>(size)) {
				expect_eq(size, expected, "size");
				return;
			}
		}
		throw check_failed("others log all the time");
	});
}

/*
 * A line that is read in parts has one time, that of whoever began to read it: it does
 * not become longer or shorter on the way.
 */
TEST(a_line_that_is_read_in_parts_has_one_time, .timeout = 30s,
     .differs_from_stock = "it is as long for every reader, so that no part is left")
{
	struct part {
		int size;
		char text[200];
	};
	constexpr offsets ahead{ seconds(4'000'000'000), 0s };

	for (bool begins_inside : { true, false }) {
		channel<part> parts;
		const auto read_part = [&](int most) {
			part sent{};

			sent.size = check(klogctl(read_next, sent.text, most), "syslog");
			parts.send(sent);
		};
		const auto read_part_in = [&](bool inside, int most) {
			if (inside)
				in_namespace(ahead, [&] { read_part(most); });
			else
				read_part(most);
		};

		time_by_reading(log_marker());

		const auto marker = log_marker();
		const auto outside = time_in_device(marker);
		/* All but the end of the longer line, which is all of the shorter one. */
		const int length = std::string_view("<7>[4000000000.123456] ").size() + marker.size();
		const int first = begins_inside ? length - 2 : 8;
		std::string text;

		read_part_in(begins_inside, first);
		read_part_in(!begins_inside, sizeof(part::text));
		for (int i = 0; i < 2; i++) {
			const part received = parts.receive();

			text.append(received.text, received.size);
		}

		const auto line = text.substr(0, text.find('\n'));

		expect(line.ends_with(marker), "the line ends with its text: " + show(line));
		expect_moved(time_in_line(line), outside, begins_inside ? ahead : offsets{},
			     begins_inside ? "inside first" : "outside first");
	}
}
