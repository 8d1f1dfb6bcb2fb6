// SPDX-License-Identifier: GPL-2.0-only
#include "visitor.hpp"

#include "error.hpp"
#include "namespaces.hpp"

#include <cstring>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace timens
{

namespace
{

struct answer {
	enum class kind { value, none, failure } kind;
	std::int64_t value;
	char message[256];
};

answer failed(const std::exception &reason)
{
	answer reply{ answer::kind::failure, 0, {} };

	std::strncpy(reply.message, reason.what(), sizeof(reply.message) - 1);
	return reply;
}

std::optional<nanoseconds> receive(int socket)
{
	answer reply;

	if (read(socket, &reply, sizeof(reply)) != sizeof(reply))
		throw error("the process that reads the time in the namespace has died");
	if (reply.kind == answer::kind::failure)
		throw error(reply.message);
	if (reply.kind == answer::kind::none)
		return {};
	return nanoseconds(reply.value);
}

} /* namespace */

visitor::visitor(const target &where, std::vector<reader> readers)
	: readers(std::move(readers))
{
	int ends[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
	ours = unique_fd(ends[0]);
	theirs = unique_fd(ends[1]);
	process = check(fork(), "fork");
	if (process == 0) {
		ours = {};
		serve(where);
	}
	theirs = {};
	try {
		receive(ours.get());
	} catch (...) {
		waitpid(process, nullptr, 0);
		throw;
	}
}

visitor::~visitor()
{
	ours = {}; /* it reads the end */
	waitpid(process, nullptr, 0);
}

std::optional<nanoseconds> visitor::ask(int question) const
{
	if (send(ours.get(), &question, sizeof(question), MSG_NOSIGNAL) < 0)
		throw system_failure("asking the process in the namespace", errno);
	return receive(ours.get());
}

void visitor::serve(const target &where) const
{
	const auto reply = [&](const answer &given) {
		if (write(theirs.get(), &given, sizeof(given)) < 0)
			_exit(1);
	};
	int question;

	try {
		where.enter();
		reply({ answer::kind::none, 0, {} });
		while (read(theirs.get(), &question, sizeof(question)) > 0) {
			const auto value = readers.at(question)();

			reply({ value ? answer::kind::value : answer::kind::none,
				value.value_or(0ns).count(),
				{} });
		}
		_exit(0);
	} catch (const std::exception &reason) {
		reply(failed(reason));
		_exit(1);
	}
}

} /* namespace timens */
