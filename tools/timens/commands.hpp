/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs. Each takes its own name as argv[0] and returns an exit status. */
#pragma once

#include <span>
#include <string>

namespace timens
{

int command_check(int argc, char **argv);
int command_exec(int argc, char **argv);
int command_features(int argc, char **argv);
int command_list(int argc, char **argv);
int command_run(int argc, char **argv);
int command_set(int argc, char **argv);
int command_show(int argc, char **argv);
int command_translate(int argc, char **argv);
int command_watch(int argc, char **argv);

/* Becomes the program, or a shell without one; throws as env(1) exits. */
[[noreturn]] void execute(std::span<char *> command);

/* Writes it as a whole, or throws. */
void print(const std::string &text);

} /* namespace timens */
