// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vvar pages of time namespaces, which carry the offsets into the vDSO.
 *
 * A page is complete before anyone can map it and never changes afterwards. It
 * belongs to the namespace and to each address space that reads its clocks from
 * it. Which page an address space maps depends on the address space alone, not on
 * the task that happens to fault, so a kernel thread that borrows one cannot bring
 * in the host's page.
 *
 * An architecture should map it with a reference, as x86 does: then a page table
 * entry that vdso_join_timens() misses shows an old page, but never a freed one.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <vdso/datapage.h>
#include <vdso/timens_wall.h>

#include "internal.h"

/**
 * timens_vvar_alloc() - allocate a vvar page
 *
 * Return: a zeroed page, or NULL.
 */
struct page *timens_vvar_alloc(void)
{
	return alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
}

/*
 * Odd, with a bit for the wall clock, and that of another page by a chance of 1 in 2^30
 * only. A count would tell each namespace how many there are.
 */
static u32 new_sequence(bool wall)
{
	const u32 seq = get_random_u32() | 1;

	return wall ? seq | VDSO_SEQ_WALL : seq & ~VDSO_SEQ_WALL;
}

/**
 * timens_vvar_fill() - fill in a vvar page
 * @page:	new page, not mapped anywhere
 * @offsets:	offsets of the namespace
 * @wall:	whether it has a wall clock, which has a page of its own
 *
 * The page has the layout of the host's. Its sequence count is always odd, as if an
 * update were going on: so the vDSO leaves its fast path, finds
 * VDSO_CLOCKMODE_TIMENS, and takes the time from the host's page, which is mapped
 * elsewhere, and the offsets from this one. Tasks that have the host's page in this
 * place never get to that test.
 *
 * The count is one of its own. The vDSO reads it again after the offset, so a task
 * whose page is replaced in between starts over.
 *
 * For time(), which reads no more than the seconds of the wall clock, these are negative
 * here.
 */
void timens_vvar_fill(struct page *page, const struct timens_offsets *offsets, bool wall)
{
	struct vdso_data *data = arch_get_vdso_data(page_address(page));
	const u32 seq = new_sequence(wall);
	unsigned int base, clock;

	for (base = 0; base < CS_BASES; base++) {
		struct vdso_data *vd = &data[base];

		vd->seq = seq;
		vd->clock_mode = VDSO_CLOCKMODE_TIMENS;
		vd->basetime[CLOCK_REALTIME].sec = -1;
		for (clock = 0; clock < VDSO_BASES; clock++) {
			const struct timespec64 *by =
				&offsets->by[timens_timeline(clock)];

			vd->offset[clock].sec = by->tv_sec;
			vd->offset[clock].nsec = by->tv_nsec;
		}
	}
}

/**
 * find_timens_vvar_page() - the vvar page of the address space of a mapping
 * @vma:	vvar mapping; mmap_lock is held
 *
 * Return: the namespace's page, or NULL if the clocks are the host's.
 */
struct page *find_timens_vvar_page(struct vm_area_struct *vma)
{
	mmap_assert_locked(vma->vm_mm);
	return vma->vm_mm->timens_vvar_page;
}

/**
 * find_timens_wall_page() - the page of the wall clock of the address space of a mapping
 * @vma:	vvar mapping; mmap_lock is held
 *
 * Return: the page, or NULL if the wall clock is the host's.
 */
struct page *find_timens_wall_page(struct vm_area_struct *vma)
{
	mmap_assert_locked(vma->vm_mm);
	return vma->vm_mm->timens_wall_page;
}

static void get_page_if(struct page *page)
{
	if (page)
		get_page(page);
}

static void put_page_if(struct page *page)
{
	if (page)
		put_page(page);
}

/**
 * timens_mm_init() - take over the pages that a new address space was copied with
 * @mm:	address space without users
 */
void timens_mm_init(struct mm_struct *mm)
{
	get_page_if(mm->timens_vvar_page);
	get_page_if(mm->timens_wall_page);
}

/**
 * timens_mm_release() - drop the pages of an address space
 * @mm:	address space in which nothing is mapped any more
 */
void timens_mm_release(struct mm_struct *mm)
{
	put_page_if(mm->timens_vvar_page);
	put_page_if(mm->timens_wall_page);
	mm->timens_vvar_page = NULL;
	mm->timens_wall_page = NULL;
}

/* The pages of a namespace or, before, of an address space. */
struct timens_pages {
	struct page	*vvar;
	struct page	*wall;
};

static struct timens_pages timens_mm_exchange(struct mm_struct *mm,
					      const struct time_namespace *ns)
{
	struct timens_pages pages = { ns->vvar_page, timens_wall_page(ns->wall) };

	get_page_if(pages.vvar);
	get_page_if(pages.wall);
	/* After this no fault is under way that has seen an old page. */
	mmap_write_lock(mm);
	swap(mm->timens_vvar_page, pages.vvar);
	swap(mm->timens_wall_page, pages.wall);
	mmap_write_unlock(mm);
	return pages;
}

static void timens_pages_put(struct timens_pages pages)
{
	put_page_if(pages.vvar);
	put_page_if(pages.wall);
}

/**
 * timens_mm_set() - give an address space its first vvar page
 * @mm:		address space that the vDSO is not mapped into
 * @ns:		frozen namespace
 */
void timens_mm_set(struct mm_struct *mm, const struct time_namespace *ns)
{
	WARN_ON_ONCE(!timens_frozen(ns));
	/* With another wall clock there is another vvar page. */
	if (mm->timens_vvar_page != ns->vvar_page)
		timens_pages_put(timens_mm_exchange(mm, ns));
}

/**
 * timens_mm_switch() - switch an address space to other clocks
 * @task:	only user of the address space, which is current or does not run
 * @ns:		frozen namespace
 */
void timens_mm_switch(struct task_struct *task, struct time_namespace *ns)
{
	struct mm_struct *mm = task->mm;
	struct timens_pages old;

	WARN_ON_ONCE(!timens_frozen(ns));
	VM_WARN_ON_ONCE(task == current && !current_is_single_threaded());
	if (!mm || mm->timens_vvar_page == ns->vvar_page)
		return;

	old = timens_mm_exchange(mm, ns);
	vdso_join_timens(task, ns);
	timens_pages_put(old);
}
