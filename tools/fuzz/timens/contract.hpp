// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract of time namespaces as a small machine of its own: who is where,
 * what each call must return, what each clock must show. It makes no system
 * call. Each rule says what the kernel must answer (0 or an errno) and moves
 * the machine on as if the kernel had answered so.
 *
 * It has nothing in common with the kernel's code, and is as naive as it can
 * be: namespaces are counted by shared_ptr, text is parsed letter by letter in
 * 128 bits.
 */
#pragma once

#include <array>
#include <climits>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz
{

enum class flavour { timens, stock };

/* Where the stock kernel is known to differ. What and why is in contract.cpp. */
enum class difference { thread_file, wide_number, negative_clock, negative_start };

struct known_difference {
	difference id;
	std::string_view name;
	std::string_view reason;
};
extern const std::array<known_difference, 4> known_differences;

/* Rules that a self-test makes wrong, to see that this is noticed. */
enum class sabotage {
	none,
	vfork_freezes,
	offsets_are_not_inherited,
	anyone_may_write,
	setns_keeps_children,
	vfork_panics, /* not the contract, but the kernel */
};
sabotage parse_sabotage(std::string_view name);

/* Capabilities that are dropped one by one; the rest goes with the user. */
enum capability : unsigned {
	cap_sys_admin = 1,
	cap_sys_time = 2,
	cap_sys_ptrace = 4,
	cap_dac_override = 8,
	cap_others = 16,
	cap_all = 31,
};

struct user_space {
	std::shared_ptr<user_space> parent;
	unsigned owner = 0;
	unsigned level = 0;
	long limit = INT_MAX;
	std::map<unsigned, long> charged; /* time namespaces by user */
};
using user_space_ref = std::shared_ptr<user_space>;

/* The two clocks that have an offset, in nanoseconds. */
struct shift {
	std::int64_t monotonic = 0;
	std::int64_t boottime = 0;

	bool operator==(const shift &) const = default;
};

struct time_space {
	time_space(user_space_ref owner, unsigned user, shift by);
	time_space(const time_space &) = delete;
	time_space &operator=(const time_space &) = delete;
	~time_space();

	user_space_ref owner;
	unsigned user;
	shift by;
	bool frozen = false;
	unsigned long inode = 0; /* as first seen */
	unsigned serial = 0;
};
using time_space_ref = std::shared_ptr<time_space>;

struct credentials {
	user_space_ref in;
	unsigned user = 0;
	unsigned capabilities = 0;
};

struct task;

/* A number by which the kernel knows a task; it may outlive the task, or move to another one. */
struct identity {
	int number = 0;
	task *who = nullptr;
};

struct group {
	std::vector<task *> members;
	task *leader = nullptr;
};

enum class life { running, waits_for_vfork, dead };

struct task {
	unsigned slot = 0;
	life state = life::running;
	std::shared_ptr<identity> id;
	std::shared_ptr<fuzz::group> group;
	std::shared_ptr<int> memory; /* equal pointers share an address space */
	credentials who;
	time_space_ref own, children;
	const task *vfork_child = nullptr;

	bool leads() const
	{
		return group->leader == this;
	}
};

/* An open file that outlives the task that opened it. */
struct held_file {
	enum { nothing, space, offsets, pidfd, timer } kind = nothing;
	time_space_ref target_space;
	std::shared_ptr<identity> target;
	credentials opener;
	bool writable = false;
	bool moved = false; /* is its position other than 0? */
	int clock = 0;
	std::int64_t host_deadline = 0;
};

/* What a write must return, and what it leaves behind. */
struct written {
	long value = 0; /* bytes taken, or -errno */
	shift after{};

	bool operator==(const written &) const = default;
};

enum class spawn_kind { fork, vfork, shared, thread };

class contract {
public:
	static constexpr unsigned slots = 8;

	contract(flavour kernel, sabotage wrong);

	/* A process that the outside makes: root, in the initial namespaces. */
	task &start(unsigned slot, int pid);

	task *at(unsigned slot) const;
	std::vector<task *> running() const;
	std::vector<task *> all() const; /* also the dead that nobody has waited for */
	std::vector<task *> reapable() const;
	bool has_free_slot() const;
	unsigned free_slot() const;

	/* A new task, filled in by spawn(), whose number is still unknown. */
	int spawn(task &parent, spawn_kind kind, bool new_time, bool new_user, unsigned slot);
	int unshare(task &caller, bool new_time, bool new_user);
	/* Those who wait for the caller by vfork run again. */
	std::vector<task *> exec(task &caller);
	std::vector<task *> exit(task &caller, bool whole_group);
	void reap(task &leader);
	void drop(task &caller, unsigned capabilities);
	void become_user(task &caller, unsigned user);
	int may_set_limit(const task &caller) const;

	/* setns(2) by a file of a namespace, or by a pidfd */
	int enter(task &caller, const time_space_ref &target, unsigned long flags);
	int enter_by_pidfd(task &caller, const task *target, unsigned long flags);
	/* ns/time and ns/time_for_children: 0 if the caller may look */
	int look(const task &caller, const task &target) const;

	int open_offsets(const task &caller, const task &target, bool for_writing) const;
	/*
	 * A write to timens_offsets at a time of the host's clocks. Applies it;
	 * `differs` tells that the other kernel would have answered otherwise.
	 */
	written write(const identity &target, const credentials &opener, std::string_view text,
		      bool moved, std::int64_t now, bool &differs);

	const flavour kernel;
	const sabotage wrong;
	const user_space_ref root = std::make_shared<user_space>();
	const time_space_ref initial = std::make_shared<time_space>(nullptr, 0, shift{});

private:
	std::array<std::unique_ptr<task>, slots> tasks;
	unsigned serial = 0;

	bool capable(const credentials &who, user_space_ref target, unsigned capability) const;
	bool single_threaded(const task &caller) const;
	int install(task &caller, const time_space_ref &target, const user_space_ref &in) const;
	time_space_ref create_space(const user_space_ref &owner, const task &maker);
	void enter_pending(task &who);
	std::vector<task *> end(task &who);
	std::vector<task *> release_parents(const task &child);
	written answer(flavour as, const task *target, const credentials &opener,
		       std::string_view text, bool moved, std::int64_t now) const;
};

/* The whole text of the file. */
std::string show_offsets(const shift &by);

} /* namespace fuzz */
