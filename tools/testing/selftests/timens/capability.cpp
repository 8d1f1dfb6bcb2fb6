// SPDX-License-Identifier: GPL-2.0-only
#include "capability.hpp"

#include <memory>

namespace timens
{

namespace
{

/* The capability sets of the thread: read, changed, written back. */
class capability_sets {
public:
	explicit capability_sets(cap_t state)
		: state(state, cap_free)
	{
		if (!state)
			throw system_failure("cap_get_proc", errno);
	}
	void put(cap_flag_t set, cap_value_t capability, bool value)
	{
		check(cap_set_flag(state.get(), set, 1, &capability, value ? CAP_SET : CAP_CLEAR),
		      "cap_set_flag");
	}
	void apply()
	{
		check(cap_set_proc(state.get()), "cap_set_proc");
	}

private:
	std::unique_ptr<_cap_struct, int (*)(void *)> state;
};

} // namespace

void drop_capability(cap_value_t capability)
{
	capability_sets sets(cap_get_proc());

	sets.put(CAP_EFFECTIVE, capability, false);
	sets.put(CAP_PERMITTED, capability, false);
	sets.put(CAP_INHERITABLE, capability, false);
	sets.apply();
}

void keep_only_capabilities(std::initializer_list<cap_value_t> kept)
{
	capability_sets sets(cap_init());

	for (cap_value_t capability : kept) {
		sets.put(CAP_EFFECTIVE, capability, true);
		sets.put(CAP_PERMITTED, capability, true);
	}
	sets.apply();
}

void set_effective(cap_value_t capability, bool value)
{
	capability_sets sets(cap_get_proc());

	sets.put(CAP_EFFECTIVE, capability, value);
	sets.apply();
}

} // namespace timens
