# SPDX-License-Identifier: GPL-2.0-only
# What time namespaces cost: included by the top Makefile.

bench := tools/bench/timens

build/bench/time_vdso: $(addprefix $(bench)/,time_vdso.cpp vdso_image.cpp vdso_probes.cpp vdso_image.hpp vdso_probes.hpp vdso_data.hpp system.hpp)
	@mkdir -p $(@D)
	@$(CXX) -std=c++20 -O2 -Wall -Wextra -Werror -o $@ $(filter %.cpp,$^)
