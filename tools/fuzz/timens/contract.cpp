// SPDX-License-Identifier: GPL-2.0-only
#include "contract.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <optional>
#include <sched.h>
#include <stdexcept>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace fuzz
{

namespace
{

using wide = __int128;

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t ktime_seconds = INT64_MAX / second;
constexpr std::size_t page = 4096;
constexpr unsigned deepest_user_space = 32;

bool is_space(char c)
{
	/* The kernel's table is Latin-1: a no-break space is a space. */
	return (c >= '\t' && c <= '\r') || c == ' ' || c == '\xa0';
}

bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number of any length: its value up to a limit far beyond 64 bits, and its lowest 64 bits. */
struct number {
	wide value = 0;
	std::uint64_t low = 0;
	bool negative = false;

	/* As ours reads it: a number that does not fit becomes the nearest that does. */
	std::int64_t nearest() const
	{
		const wide whole = negative ? -value : value;

		return std::clamp<wide>(whole, INT64_MIN, INT64_MAX);
	}
	/* As stock reads it: it is cut to 64 bits. */
	std::int64_t cut() const
	{
		return static_cast<std::int64_t>(negative ? -low : low);
	}
	std::int64_t as(flavour kernel) const
	{
		return kernel == flavour::stock ? cut() : nearest();
	}
};

void skip_spaces(std::string_view &text)
{
	while (!text.empty() && is_space(text.front()))
		text.remove_prefix(1);
}

std::optional<number> take_number(std::string_view &text, bool may_be_negative)
{
	constexpr wide enough = static_cast<wide>(UINT64_MAX) * 1000;
	number read;

	skip_spaces(text);
	if (may_be_negative && !text.empty() && text.front() == '-') {
		read.negative = true;
		text.remove_prefix(1);
	}
	if (text.empty() || !is_digit(text.front()))
		return {};
	for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
		const int digit = text.front() - '0';

		read.value = std::min(read.value * 10 + digit, enough);
		read.low = read.low * 10 + digit;
	}
	return read;
}

struct line {
	bool boottime;
	number seconds;
	number nanoseconds;
};

std::optional<line> parse_line(std::string_view text)
{
	constexpr std::size_t longest_name = 9;
	std::string name;

	skip_spaces(text);
	for (; !text.empty() && !is_space(text.front()) && name.size() < longest_name;
	     text.remove_prefix(1))
		name += text.front();
	const bool boottime = name == "boottime" || name == "7";
	if (!boottime && name != "monotonic" && name != "1")
		return {};
	const auto seconds = take_number(text, true);
	if (!seconds)
		return {};
	const auto nanoseconds = take_number(text, false);
	if (!nanoseconds)
		return {};
	return line{ boottime, *seconds, *nanoseconds };
}

struct request {
	std::vector<line> lines;
	std::size_t taken = 0;
};

std::optional<request> parse_text(std::string_view text)
{
	constexpr std::size_t most_lines = 2;
	const auto whole = text.size();
	request asked;

	text = text.substr(0, text.find('\0'));
	const auto begin = text.data();
	while (asked.lines.size() < most_lines) {
		const auto end = text.find('\n');
		const auto parsed = parse_line(text.substr(0, end));

		if (!parsed)
			return {};
		asked.lines.push_back(*parsed);
		asked.taken = whole;
		if (end == text.npos || end + 1 == text.size())
			return asked;
		text.remove_prefix(end + 1);
		asked.taken = text.data() - begin;
	}
	return asked;
}

} /* namespace */

const std::array<known_difference, 4> known_differences{ {
	{ difference::thread_file, "thread_file",
	  "stock has no /proc/PID/task/TID/timens_offsets" },
	{ difference::wide_number, "wide_number",
	  "stock cuts decimal numbers to 64 bits, so 18446744073709551617 is taken for 1; and it "
	  "looks "
	  "at nanoseconds beyond 63 bits only after the permission" },
	{ difference::negative_clock, "negative_clock", "on stock clocks can read below zero" },
	{ difference::negative_start, "negative_start",
	  "on stock a start time or a date of boot below zero is a number of 20 digits" },
} };

sabotage parse_sabotage(std::string_view name)
{
	const std::pair<std::string_view, sabotage> names[] = {
		{ "none", sabotage::none },
		{ "vfork_freezes", sabotage::vfork_freezes },
		{ "offsets_are_not_inherited", sabotage::offsets_are_not_inherited },
		{ "anyone_may_write", sabotage::anyone_may_write },
		{ "setns_keeps_children", sabotage::setns_keeps_children },
		{ "vfork_panics", sabotage::vfork_panics },
	};

	for (const auto &[known, value] : names) {
		if (known == name)
			return value;
	}
	throw std::invalid_argument("no rule to sabotage is called '" + std::string(name) + "'");
}

time_space::time_space(user_space_ref owner, unsigned user, shift by)
	: owner(std::move(owner))
	, user(user)
	, by(by)
{
	frozen = !this->owner;
}

time_space::~time_space()
{
	unsigned charged = user;

	for (auto *each = owner.get(); each; charged = each->owner, each = each->parent.get())
		each->charged[charged]--;
}

std::string show_offsets(const shift &by)
{
	const auto show = [](const char *name, std::int64_t value) {
		auto seconds = value / second;
		auto rest = value % second;
		char text[64];

		if (rest < 0) {
			seconds--;
			rest += second;
		}
		std::snprintf(text, sizeof(text), "%-10s %10lld %9ld\n", name,
			      static_cast<long long>(seconds), static_cast<long>(rest));
		return std::string(text);
	};

	return show("monotonic", by.monotonic) + show("boottime", by.boottime);
}

contract::contract(flavour kernel, sabotage wrong)
	: kernel(kernel)
	, wrong(wrong)
{
}

/* ------------------------------------------------------------------ tasks */

task *contract::at(unsigned slot) const
{
	return tasks[slot].get();
}

std::vector<task *> contract::all() const
{
	std::vector<task *> found;

	for (const auto &each : tasks) {
		if (each)
			found.push_back(each.get());
	}
	return found;
}

std::vector<task *> contract::running() const
{
	auto found = all();

	std::erase_if(found, [](const task *each) { return each->state != life::running; });
	return found;
}

std::vector<task *> contract::reapable() const
{
	auto found = all();

	std::erase_if(found, [](const task *each) {
		return each->state != life::dead || each->group->members.size() > 1;
	});
	return found;
}

bool contract::has_free_slot() const
{
	return all().size() < slots;
}

unsigned contract::free_slot() const
{
	return std::ranges::find_if(tasks, [](const auto &each) { return !each; }) - tasks.begin();
}

task &contract::start(unsigned slot, int pid)
{
	auto &made = *(tasks[slot] = std::make_unique<task>());

	made.slot = slot;
	made.id = std::make_shared<identity>(identity{ pid, &made });
	made.group = std::make_shared<group>(group{ { &made }, &made });
	made.memory = std::make_shared<int>();
	made.who = { root, 0, cap_all };
	made.own = made.children = initial;
	return made;
}

/* Gone for good: nothing in /proc tells of it any more. */
void contract::reap(task &leader)
{
	std::erase(leader.group->members, &leader);
	if (leader.id->who == &leader)
		leader.id->who = nullptr;
	tasks[leader.slot].reset();
}

std::vector<task *> contract::release_parents(const task &child)
{
	std::vector<task *> released;

	for (auto *each : all()) {
		if (each->state == life::waits_for_vfork && each->vfork_child == &child) {
			each->state = life::running;
			each->vfork_child = nullptr;
			released.push_back(each);
		}
	}
	return released;
}

/* The end of one task. Threads leave nothing behind, a leader leaves a zombie. */
std::vector<task *> contract::end(task &who)
{
	const auto released = release_parents(who);

	who.state = life::dead;
	who.vfork_child = nullptr;
	who.own = who.children = nullptr;
	who.memory = nullptr;
	if (!who.leads())
		reap(who);
	return released;
}

std::vector<task *> contract::exit(task &caller, bool whole_group)
{
	if (!whole_group)
		return end(caller);

	const auto members = caller.group->members;
	std::vector<unsigned> released;
	std::vector<task *> alive;

	for (auto *each : members) {
		for (const auto *parent :
		     each->state == life::dead ? std::vector<task *>{} : end(*each))
			released.push_back(parent->slot);
	}
	/* A parent that waited may have been one of those. */
	for (const auto slot : released) {
		if (at(slot) && at(slot)->state == life::running)
			alive.push_back(at(slot));
	}
	return alive;
}

std::vector<task *> contract::exec(task &caller)
{
	auto group = caller.group;
	const auto others = group->members;
	std::vector<unsigned> slots_released;
	std::vector<task *> released;

	if (!caller.leads()) {
		/* The caller takes the leader's place and number. */
		auto &old = *group->leader;

		std::swap(old.id, caller.id);
		caller.id->who = &caller;
		old.id->who = nullptr;
		group->leader = &caller;
	}
	for (auto *each : others) {
		if (each == &caller)
			continue;
		if (each->state == life::dead)
			reap(*each);
		else
			for (const auto *parent : end(*each))
				slots_released.push_back(parent->slot);
	}
	for (const auto *parent : release_parents(caller))
		slots_released.push_back(parent->slot);
	caller.memory = std::make_shared<int>();
	enter_pending(caller);
	for (const auto slot : slots_released) {
		if (at(slot) && at(slot)->state == life::running)
			released.push_back(at(slot));
	}
	return released;
}

/* ------------------------------------------------------------- privileges */

bool contract::capable(const credentials &who, user_space_ref target, unsigned capability) const
{
	for (;; target = target->parent) {
		if (target == who.in)
			return who.capabilities & capability;
		if (target->level <= who.in->level)
			return false;
		if (target->parent == who.in && target->owner == who.user)
			return true;
	}
}

void contract::drop(task &caller, unsigned capabilities)
{
	caller.who.capabilities &= ~capabilities;
}

void contract::become_user(task &caller, unsigned user)
{
	caller.who.user = user;
	caller.who.capabilities = 0;
}

int contract::may_set_limit(const task &caller) const
{
	return caller.who.capabilities & cap_others ? 0 : EACCES;
}

int contract::look(const task &caller, const task &target) const
{
	if (caller.group == target.group)
		return 0;
	if (caller.who.user != target.who.user &&
	    !capable(caller.who, target.who.in, cap_sys_ptrace))
		return EACCES;
	if (caller.who.in == target.who.in && !(target.who.capabilities & ~caller.who.capabilities))
		return 0;
	return capable(caller.who, target.who.in, cap_sys_ptrace) ? 0 : EACCES;
}

/* ------------------------------------------------------------- namespaces */

time_space_ref contract::create_space(const user_space_ref &owner, const task &maker)
{
	unsigned user = maker.who.user;

	for (auto *each = owner.get(); each; user = each->owner, each = each->parent.get()) {
		if (each->charged[user] >= each->limit)
			return nullptr;
	}
	user = maker.who.user;
	for (auto *each = owner.get(); each; user = each->owner, each = each->parent.get())
		each->charged[user]++;
	const auto inherited =
		wrong == sabotage::offsets_are_not_inherited ? shift{} : maker.children->by;
	auto made = std::make_shared<time_space>(owner, maker.who.user, inherited);
	made->serial = ++serial;
	return made;
}

void contract::enter_pending(task &who)
{
	if (who.own != who.children) {
		who.own = who.children;
		who.own->frozen = true;
	}
}

int contract::unshare(task &caller, bool new_time, bool new_user)
{
	auto who = caller.who;

	if (new_user) {
		if (!caller.leads() || caller.group->members.size() > 1)
			return EINVAL;
		if (who.in->level > deepest_user_space)
			return ENOSPC;
		who.in = std::make_shared<user_space>(
			user_space{ who.in, who.user, who.in->level + 1, INT_MAX, {} });
		who.capabilities = cap_all;
	}
	if (new_time) {
		if (!capable(who, who.in, cap_sys_admin))
			return EPERM;
		auto made = create_space(who.in, caller);
		if (!made)
			return ENOSPC;
		caller.children = std::move(made);
	}
	caller.who = who;
	return 0;
}

int contract::spawn(task &parent, spawn_kind kind, bool new_time, bool new_user, unsigned slot)
{
	auto child = std::make_unique<task>(parent);
	const bool thread = kind == spawn_kind::thread;

	if (new_user) {
		if (thread)
			return EINVAL;
		if (parent.who.in->level > deepest_user_space)
			return ENOSPC;
		child->who.in = std::make_shared<user_space>(user_space{
			parent.who.in, parent.who.user, parent.who.in->level + 1, INT_MAX, {} });
		child->who.capabilities = cap_all;
	}
	if (new_time) {
		/* It is the caller who must be capable, also in a user namespace that it is only making. */
		if (!capable(parent.who, child->who.in, cap_sys_admin))
			return EPERM;
		child->children = create_space(child->who.in, parent);
		if (!child->children)
			return ENOSPC;
	}
	child->slot = slot;
	child->id = std::make_shared<identity>(identity{ 0, child.get() });
	if (thread) {
		child->group->members.push_back(child.get());
	} else {
		child->group = std::make_shared<group>(group{ { child.get() }, child.get() });
	}
	if (kind == spawn_kind::fork) {
		child->memory = std::make_shared<int>();
		enter_pending(*child);
	}
	if (kind == spawn_kind::vfork) {
		parent.state = life::waits_for_vfork;
		parent.vfork_child = child.get();
		if (wrong == sabotage::vfork_freezes)
			child->children->frozen = true;
	}
	tasks[slot] = std::move(child);
	return 0;
}

bool contract::single_threaded(const task &caller) const
{
	return std::ranges::none_of(all(), [&](const task *each) {
		return each != &caller && each->state != life::dead &&
		       each->memory == caller.memory;
	});
}

/* Enters a time namespace from a user namespace, which is a new one if that is entered too. */
int contract::install(task &caller, const time_space_ref &target, const user_space_ref &in) const
{
	if (!single_threaded(caller))
		return EUSERS;
	if (!capable(caller.who, target->owner ? target->owner : root, cap_sys_admin) ||
	    !capable(caller.who, in, cap_sys_admin))
		return EPERM;
	caller.own = target;
	if (wrong != sabotage::setns_keeps_children)
		caller.children = target;
	target->frozen = true;
	return 0;
}

int contract::enter(task &caller, const time_space_ref &target, unsigned long flags)
{
	if (flags && flags != CLONE_NEWTIME)
		return EINVAL;
	return install(caller, target, caller.who.in);
}

int contract::enter_by_pidfd(task &caller, const task *target, unsigned long flags)
{
	if (!(flags & CLONE_NEWTIME) || flags & ~(CLONE_NEWTIME | CLONE_NEWUSER))
		return EINVAL;
	if (!target)
		return ESRCH;
	if (look(caller, *target))
		return EPERM;
	if (target->state == life::dead)
		return ESRCH;
	if (!(flags & CLONE_NEWUSER))
		return install(caller, target->own, caller.who.in);

	const auto space = target->who.in;
	if (space == caller.who.in || !caller.leads() || caller.group->members.size() > 1)
		return EINVAL;
	if (!capable(caller.who, space, cap_sys_admin))
		return EPERM;
	/* What it may there is judged by what it was. */
	if (const auto error = install(caller, target->own, space))
		return error;
	caller.who.in = space;
	caller.who.capabilities = cap_all;
	return 0;
}

/* ---------------------------------------------------------------- offsets */

int contract::open_offsets(const task &caller, const task &target, bool for_writing) const
{
	/* What is dead belongs to root. */
	const unsigned owner = target.state == life::dead ? 0 : target.who.user;

	if (!for_writing || caller.who.user == owner)
		return 0;
	return caller.who.in == root && (caller.who.capabilities & cap_dac_override) ? 0 : EACCES;
}

written contract::answer(flavour as, const task *target, const credentials &opener,
			 std::string_view text, bool moved, std::int64_t now) const
{
	if (moved || text.size() >= page)
		return { -EINVAL };
	const auto asked = parse_text(text);
	if (!asked)
		return { -EINVAL };
	for (const auto &each : asked->lines) {
		if (each.nanoseconds.as(as) >= second)
			return { -EINVAL };
	}
	if (!target || target->state == life::dead)
		return { -ESRCH };
	const auto &space = *target->children;
	if (wrong != sabotage::anyone_may_write &&
	    !capable(opener, space.owner ? space.owner : root, cap_sys_time))
		return { -EPERM };

	shift after = space.by;
	for (const auto &each : asked->lines) {
		const auto seconds = each.seconds.as(as);
		const auto nanoseconds = each.nanoseconds.as(as);

		if (nanoseconds < 0)
			return { -EINVAL };
		if (seconds > ktime_seconds || seconds < -ktime_seconds)
			return { -ERANGE };
		const wide offset = static_cast<wide>(seconds) * second + nanoseconds;
		const wide sum = offset + now;
		if (sum < 0 || sum >= static_cast<wide>(ktime_seconds / 2 + 1) * second)
			return { -ERANGE };
		(each.boottime ? after.boottime : after.monotonic) =
			static_cast<std::int64_t>(offset);
	}
	if (space.frozen)
		return { -EACCES };
	return { static_cast<long>(asked->taken), after };
}

written contract::write(const identity &target, const credentials &opener, std::string_view text,
			bool moved, std::int64_t now, bool &differs)
{
	const auto here = answer(kernel, target.who, opener, text, moved, now);
	const auto other = kernel == flavour::stock ? flavour::timens : flavour::stock;

	differs = !(here == answer(other, target.who, opener, text, moved, now));
	if (here.value > 0)
		target.who->children->by = here.after;
	return here;
}

} /* namespace fuzz */
