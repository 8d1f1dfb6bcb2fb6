// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controller: runs a sequence of operations on real tasks, each compared
 * with what the contract says, and prints one line for each.
 */
#pragma once

#include "board.hpp"
#include "contract.hpp"
#include "operations.hpp"

#include <map>
#include <set>
#include <stdexcept>
#include <string>

namespace fuzz
{

/* The kernel did what the contract does not say. */
class divergence : public std::runtime_error {
public:
	using std::runtime_error::runtime_error;
};

class session {
public:
	session(board &shared, flavour kernel, sabotage wrong);
	session(const session &) = delete;
	session &operator=(const session &) = delete;
	/* Ends all tasks. */
	~session();

	/* What was done and what came of it, in a line without its number. Throws divergence. */
	std::string run(const operation &what);

	/* How often each known difference mattered. */
	std::map<std::string_view, unsigned long> met;
	/* Operations of tasks whose clocks are moved. */
	unsigned long moved = 0;

private:
	static constexpr unsigned held_files = 6;

	board &shared;
	contract model;
	held_file held[held_files];
	int held_fds[held_files];
	std::vector<int> groups; /* process groups */
	std::string said; /* of the operation that is running */
	std::set<difference> tags;

	desk &order(task &actor, call what, long a = 0, long b = 0, long c = 0, long d = 0);
	void ask(task &actor);
	void await(const desk &answer, const std::string &who);
	void say(const char *format, ...) __attribute__((format(printf, 2, 3)));
	void expect(long seen, long expected);
	void expect_within(std::int64_t seen, std::int64_t low, std::int64_t high);
	void mark(difference what);

	task &actor_of(const operation &what);
	task *object_of(const operation &what, const task &actor);
	std::string path_of(const operation &what, const task &actor, task *&target,
			    const char *name, bool &by_thread);
	void start_process();
	void kill_all();
	void settle(const std::vector<task *> &released);
	void wait_gone(int group, int number);
	void wait_dead_leader(int group);
	void wait_zombie(int group);
	void learn_inode(const time_space_ref &space, unsigned long inode);
	void hold(unsigned slot, held_file file, int fd);
	void attach(desk &to, unsigned file);

	void spawn(task &actor, const operation &what);
	void exec(task &actor);
	void exit(task &actor, const operation &what);
	void reap(const operation &what);
	void unshare(task &actor, const operation &what);
	void drop(task &actor, const operation &what);
	void limit(task &actor, const operation &what);
	void keep(task &actor, const operation &what);
	void enter(task &actor, const operation &what);
	void write(task &actor, const operation &what);
	void read(task &actor, const operation &what);
	void clock(task &actor, const operation &what);
	void view(task &actor, const operation &what);
	void link(task &actor, const operation &what);
	void wait(task &actor, const operation &what);
	void remaining(task &actor, const operation &what);
};

} /* namespace fuzz */
