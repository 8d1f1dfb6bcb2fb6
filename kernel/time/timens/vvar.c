// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clock pages of time namespaces, which carry the offsets into the vDSO.
 *
 * A page is complete before anyone can map it and never changes afterwards. It
 * belongs to the namespace and to each address space that reads its clocks from
 * it: the mapping itself, a PFN, holds no reference. Which page an address space
 * maps depends on the address space alone, not on the task that happens to
 * fault, so a kernel thread that borrows one cannot bring in the host's page.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <vdso/datapage.h>

#include "internal.h"

/**
 * timens_vvar_alloc() - allocate a clock page
 *
 * Return: a zeroed page, or NULL.
 */
struct page *timens_vvar_alloc(void)
{
	return alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
}

/**
 * timens_vvar_fill() - fill in a clock page
 * @page:	new page, not mapped anywhere
 * @offsets:	offsets of the namespace
 *
 * The page has the layout of the host's clock page. Its sequence count is odd
 * for ever, as if an update were going on: so the vDSO leaves its fast path,
 * finds VDSO_CLOCKMODE_TIMENS, and takes the time from the host's page, which is
 * mapped elsewhere, and the offsets from this one. Tasks that have the host's
 * page in this place never get to that test.
 */
void timens_vvar_fill(struct page *page, const struct timens_offsets *offsets)
{
	struct vdso_data *data = arch_get_vdso_data(page_address(page));
	unsigned int base, clock;

	for (base = 0; base < CS_BASES; base++) {
		struct vdso_data *vd = &data[base];

		vd->seq = 1;
		vd->clock_mode = VDSO_CLOCKMODE_TIMENS;
		for (clock = 0; clock < VDSO_BASES; clock++) {
			const struct timespec64 *by =
				&offsets->by[timens_timeline(clock)];

			vd->offset[clock].sec = by->tv_sec;
			vd->offset[clock].nsec = by->tv_nsec;
		}
	}
}

/**
 * find_timens_vvar_page() - the clock page of the address space of a mapping
 * @vma:	mapping of clock pages; mmap_lock is held
 *
 * Return: the namespace's page, or NULL if the clocks are the host's.
 */
struct page *find_timens_vvar_page(struct vm_area_struct *vma)
{
	return vma->vm_mm->timens_page;
}

/**
 * timens_mm_init() - take over the clock page that a new address space was copied with
 * @mm:	address space without users
 */
void timens_mm_init(struct mm_struct *mm)
{
	if (mm->timens_page)
		get_page(mm->timens_page);
}

/**
 * timens_mm_release() - drop the clock page of an address space
 * @mm:	address space in which nothing is mapped any more
 */
void timens_mm_release(struct mm_struct *mm)
{
	if (mm->timens_page)
		put_page(mm->timens_page);
	mm->timens_page = NULL;
}

static struct page *timens_mm_exchange(struct mm_struct *mm, struct page *page)
{
	if (page)
		get_page(page);
	/* After this no fault is under way that has seen the old page. */
	mmap_write_lock(mm);
	swap(mm->timens_page, page);
	mmap_write_unlock(mm);
	return page;
}

/**
 * timens_mm_set() - give an address space its first clock page
 * @mm:		address space that the vDSO is not mapped into
 * @ns:		frozen namespace
 */
void timens_mm_set(struct mm_struct *mm, const struct time_namespace *ns)
{
	struct page *old;

	if (mm->timens_page == ns->clock_page)
		return;
	old = timens_mm_exchange(mm, ns->clock_page);
	if (old)
		put_page(old);
}

/**
 * timens_mm_switch() - switch an address space to other clocks
 * @task:	only user of the address space, which is current or does not run
 * @ns:		frozen namespace
 *
 * Return: 0, or what vdso_join_timens() returns: then the old page may still be
 *	   mapped.
 */
int timens_mm_switch(struct task_struct *task, struct time_namespace *ns)
{
	struct mm_struct *mm = task->mm;
	struct page *old;
	int err;

	if (!mm || mm->timens_page == ns->clock_page)
		return 0;

	old = timens_mm_exchange(mm, ns->clock_page);
	err = vdso_join_timens(task, ns);
	/* A page that may still be mapped is lost rather than freed. */
	if (old && !err)
		put_page(old);
	return err;
}
