/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serves.c - see serves.h. Servers listen first and give up root then, but not all of them (MariaDB);
 * programs like su and cron do neither, and must not leave a dump. Raw system calls, and memory that the
 * loader mapped: what the program imports stands in the relocations of its dynamic section.
 */
#include "preload/serves.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/socket.h>

#include "preload/process.h"
#include "preload/sys.h"
#include "preload/text.h"

#define SERVES_FDS 256

static bool holds_stream(void)
{
	for (int fd = 0; fd < SERVES_FDS; fd++) {
		int type = 0;
		uint32_t bytes = sizeof type;

		if (sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 &&
		    type == SOCK_STREAM)
			return true;
	}
	return false;
}

/* ---- what the program imports ---- */

struct imports {
	uintptr_t base;
	const Elf64_Sym *symbols;
	const char *names;
	const Elf64_Rela *lazy, *bound;
	size_t lazy_count, bound_count, relative_count;
};

/* Some loaders write addresses into the dynamic section, some leave offsets. */
static const void *imports_address(const struct imports *im, uint64_t value)
{
	return (const void *)(value < im->base ? value + im->base : value);
}

static void imports_read(struct imports *im, const Elf64_Dyn *dynamic)
{
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		uint64_t value = dynamic->d_un.d_val;

		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			im->symbols = imports_address(im, value);
			break;
		case DT_STRTAB:
			im->names = imports_address(im, value);
			break;
		case DT_JMPREL:
			im->lazy = imports_address(im, value);
			break;
		case DT_PLTRELSZ:
			im->lazy_count = value / sizeof *im->lazy;
			break;
		case DT_RELA:
			im->bound = imports_address(im, value);
			break;
		case DT_RELASZ:
			im->bound_count = value / sizeof *im->bound;
			break;
		case DT_RELACOUNT:
			im->relative_count = value;
			break;
		default:
			break;
		}
	}
}

static bool imports_find(const struct imports *im, const Elf64_Rela *at, size_t from, size_t count,
			 const char *name)
{
	for (size_t i = from; at != NULL && i < count; i++) {
		uint64_t symbol = ELF64_R_SYM(at[i].r_info);

		if (symbol != 0 && text_equal(im->names + im->symbols[symbol].st_name, name))
			return true;
	}
	return false;
}

static bool imports_have(const char *name)
{
	const Elf64_Phdr *parts = (const Elf64_Phdr *)getauxval(AT_PHDR);
	const Elf64_Dyn *dynamic = NULL;
	struct imports im = {0};
	size_t count = getauxval(AT_PHNUM);

	for (size_t i = 0; parts != NULL && i < count; i++)
		if (parts[i].p_type == PT_PHDR)
			im.base = (uintptr_t)parts - parts[i].p_vaddr;
	for (size_t i = 0; parts != NULL && i < count; i++)
		if (parts[i].p_type == PT_DYNAMIC)
			dynamic = (const Elf64_Dyn *)(im.base + parts[i].p_vaddr);
	if (dynamic == NULL)
		return false;
	imports_read(&im, dynamic);
	if (im.symbols == NULL || im.names == NULL)
		return false;
	return imports_find(&im, im.lazy, 0, im.lazy_count, name) ||
	       imports_find(&im, im.bound, im.relative_count, im.bound_count, name);
}

bool serves_look(void)
{
	return holds_stream() || (!process_is_forked() && imports_have("listen"));
}
