// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes out this kernel's vDSO with its data pages, as a task sees them: one
 * file for a task outside every time namespace, and, if the kernel has them,
 * one inside a namespace with offsets and one inside a namespace without.
 */
#include "system.hpp"
#include "timens.hpp"
#include "vdso_data.hpp"

#include <cstdio>
#include <functional>
#include <sstream>
#include <stdexcept>

namespace bench
{

namespace
{

struct span_of_addresses {
	const char *start, *end;
};

/* A mapping of this process, by its name in /proc/self/maps. */
span_of_addresses find_mapping(const std::string &name)
{
	std::istringstream maps(read_file("/proc/self/maps"));
	unsigned long start, end;

	for (std::string line; std::getline(maps, line);) {
		if (line.ends_with(" " + name) &&
		    std::sscanf(line.c_str(), "%lx-%lx", &start, &end) == 2)
			return { reinterpret_cast<const char *>(start),
				 reinterpret_cast<const char *>(end) };
	}
	throw std::runtime_error("this process has no " + name);
}

/* A data page that nothing is behind, as that of another hypervisor's clock, is written as zeros. */
void write_page(int file, const char *page)
{
	const char zeros[page_size] = {};

	if (write(file, page, page_size) == page_size)
		return;
	if (errno != EFAULT)
		fail("write");
	write_all(file, { zeros, page_size });
}

void dump(const std::string &path)
{
	const auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
	const auto vvar = find_mapping("[vvar]"), vdso = find_mapping("[vdso]");

	if (vvar.end != vdso.start)
		throw std::runtime_error("[vdso] does not follow [vvar]");
	for (auto page = vvar.start; page < vdso.end; page += page_size)
		write_page(file.get(), page);
}

} /* namespace */

} /* namespace bench */

int main(int argc, char **argv)
{
	using namespace bench;

	if (argc != 2) {
		fprintf(stderr, "usage: dump_vdso FOLDER\n");
		return 2;
	}
	try {
		const std::string folder = argv[1];

		dump(folder + "/outside");
		if (has_time_namespaces()) {
			run_in_namespace(offsets, [&] { dump(folder + "/inside"); });
			run_in_namespace(no_offsets, [&] { dump(folder + "/zero"); });
		}
	} catch (const std::exception &error) {
		fprintf(stderr, "dump_vdso: %s\n", error.what());
		return 1;
	}
}
