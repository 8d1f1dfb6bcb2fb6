/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A task's data pages with a kernel that writes them, and what they have held.
 */
#pragma once

#include "machine.hpp"
#include "model.hpp"

#include "vdso_image.hpp"

#include <functional>
#include <vector>

namespace timens
{

class world {
public:
	/* The vDSO in the file $VDSO. */
	world();

	/* At once. */
	void set_host(const host_data &host);
	/* As the kernel does it: step by step, with odd sequence counts meanwhile. */
	void begin_update(const host_data &host);
	bool is_updating() const
	{
		return written_ < writes_.size();
	}
	void write_next();
	void finish_update();

	/* The task enters a namespace, or leaves it: another page is in its place. */
	void enter(const std::optional<namespace_data> &ns);

	/* The wall clock of the namespace is set: at once, or step by step. */
	void set_wall(const wall_data &wall);
	void begin_setting(const wall_data &wall);
	bool is_setting() const
	{
		return set_ < settings_.size();
	}
	void set_next();
	void finish_setting();
	bool knows_wall_clocks() const
	{
		return wall_;
	}

	/* Only what is there now has been there. */
	void forget();

	/*
	 * Makes a call, and checks that its answer was right at one moment of it.
	 * The kernel, which is always right, may be asked where the model says so, or
	 * everywhere. Returns the number of instructions, up to where `act` wanted no more.
	 */
	int check_call(const call &made, std::uint64_t counter,
		       const std::function<bool(int)> &act = {}, bool may_ask_kernel = false);

	const view &now() const
	{
		return history_.back().seen;
	}
	/* Of a page, by its name in the vDSO's linker script. */
	std::byte *page(std::string_view name) const;

private:
	/* Nothing is half written. */
	bool is_settled() const
	{
		return !written_ || !is_updating();
	}

	struct moment {
		view seen;
		bool settled; /* not in the middle of an update */
	};

	void write_to_host(const std::function<void(const bench::vvar_page &)> &write);
	void remember(const view &seen, bool settled);
	answer make(const call &made, std::uint64_t counter, const std::function<bool(int)> &act,
		    int &instructions) const;

	bench::vdso_image image_;
	bench::vvar_page front_, host_; /* what may be a namespace's, and never is */
	std::vector<std::function<void()>> writes_; /* of the present update */
	std::size_t written_ = 0;
	host_data next_;
	struct wall_page;
	wall_page *wall_; /* nullptr: the vDSO has no place for one */
	std::vector<std::function<void()>> settings_;
	std::size_t set_ = 0;
	wall_data next_wall_;
	std::vector<moment> history_;
	view settled_; /* the last that was */
};

} /* namespace timens */
