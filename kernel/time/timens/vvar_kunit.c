// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the vvar page: what is in it, and to whom it belongs.
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <vdso/datapage.h>

#include "internal.h"

static void the_vvar_page_carries_the_offset_of_every_clock(struct kunit *test)
{
	const struct timens_offsets offsets = {
		.by[TIMENS_MONOTONIC]	= { 1000, 1 },
		.by[TIMENS_BOOTTIME]	= { -8, 999999999 },
	};
	struct page *page = timens_vvar_alloc();
	struct vdso_data *data;
	unsigned int base;

	KUNIT_ASSERT_NOT_NULL(test, page);
	timens_vvar_fill(page, &offsets, false);
	data = arch_get_vdso_data(page_address(page));

	for (base = 0; base < CS_BASES; base++) {
		const struct vdso_offset *offset = data[base].offset;

		KUNIT_EXPECT_EQ(test, 1, data[base].seq & 1);
		KUNIT_EXPECT_EQ(test, (s32)VDSO_CLOCKMODE_TIMENS,
				data[base].clock_mode);
		KUNIT_EXPECT_EQ(test, 0, offset[CLOCK_REALTIME].sec);
		KUNIT_EXPECT_EQ(test, 0, offset[CLOCK_REALTIME].nsec);
		KUNIT_EXPECT_EQ(test, 0, offset[CLOCK_TAI].sec);
		KUNIT_EXPECT_EQ(test, 1000, offset[CLOCK_MONOTONIC].sec);
		KUNIT_EXPECT_EQ(test, 1, offset[CLOCK_MONOTONIC].nsec);
		KUNIT_EXPECT_EQ(test, 1000, offset[CLOCK_MONOTONIC_RAW].sec);
		KUNIT_EXPECT_EQ(test, 1000, offset[CLOCK_MONOTONIC_COARSE].sec);
		KUNIT_EXPECT_EQ(test, 0, offset[CLOCK_REALTIME_COARSE].sec);
		KUNIT_EXPECT_EQ(test, -8, offset[CLOCK_BOOTTIME].sec);
		KUNIT_EXPECT_EQ(test, 999999999, offset[CLOCK_BOOTTIME].nsec);
	}
	__free_page(page);
}

static void each_vvar_page_has_an_odd_sequence_count_of_its_own(struct kunit *test)
{
	const struct timens_offsets offsets = { .by[TIMENS_MONOTONIC] = { 1, 0 } };
	struct page *page = timens_vvar_alloc();
	struct vdso_data *data;
	u32 first;

	KUNIT_ASSERT_NOT_NULL(test, page);
	data = arch_get_vdso_data(page_address(page));

	timens_vvar_fill(page, &offsets, false);
	first = data[CS_HRES_COARSE].seq;
	KUNIT_EXPECT_EQ(test, 1, first & 1);
	KUNIT_EXPECT_EQ(test, first, data[CS_RAW].seq);

	/* The same offsets do not make it the same page. */
	timens_vvar_fill(page, &offsets, false);
	KUNIT_EXPECT_EQ(test, 1, data[CS_HRES_COARSE].seq & 1);
	KUNIT_EXPECT_NE(test, first, data[CS_HRES_COARSE].seq);
	KUNIT_EXPECT_EQ(test, data[CS_HRES_COARSE].seq, data[CS_RAW].seq);
	__free_page(page);
}

/* A namespace that is nothing but its vvar page. */
static struct time_namespace namespace_with_page(struct kunit *test)
{
	struct time_namespace ns = {
		.vvar_page	= timens_vvar_alloc(),
		.frozen		= TIMENS_CONSTANT,
	};

	KUNIT_ASSERT_NOT_NULL(test, ns.vvar_page);
	return ns;
}

/* As a fault handler calls it. */
static struct page *vvar_page_of(struct vm_area_struct *vma)
{
	struct page *page;

	mmap_read_lock(vma->vm_mm);
	page = find_timens_vvar_page(vma);
	mmap_read_unlock(vma->vm_mm);
	return page;
}

static void the_vvar_page_is_that_of_the_address_space(struct kunit *test)
{
	struct time_namespace ns = namespace_with_page(test);
	struct vm_area_struct vma = { .vm_mm = mm_alloc() };

	KUNIT_ASSERT_NOT_NULL(test, vma.vm_mm);
	KUNIT_EXPECT_NULL(test, vvar_page_of(&vma));

	timens_mm_set(vma.vm_mm, &ns);
	KUNIT_EXPECT_PTR_EQ(test, ns.vvar_page, vvar_page_of(&vma));

	/* This thread is on the host's clocks, but the borrowed mm is not. */
	KUNIT_ASSERT_NULL(test, current->timens);
	kthread_use_mm(vma.vm_mm);
	KUNIT_EXPECT_PTR_EQ(test, ns.vvar_page, vvar_page_of(&vma));
	kthread_unuse_mm(vma.vm_mm);

	mmput(vma.vm_mm);
	__free_page(ns.vvar_page);
}

static void an_address_space_holds_its_vvar_page_until_it_is_gone(struct kunit *test)
{
	struct time_namespace first = namespace_with_page(test);
	struct time_namespace second = namespace_with_page(test);
	struct mm_struct *mm = mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	timens_mm_set(mm, &first);
	KUNIT_EXPECT_EQ(test, 2, page_count(first.vvar_page));

	/* Once more changes nothing. */
	timens_mm_set(mm, &first);
	KUNIT_EXPECT_EQ(test, 2, page_count(first.vvar_page));

	timens_mm_set(mm, &second);
	KUNIT_EXPECT_EQ(test, 1, page_count(first.vvar_page));
	KUNIT_EXPECT_EQ(test, 2, page_count(second.vvar_page));

	/* As for a copy, which has a reference of its own. */
	timens_mm_init(mm);
	KUNIT_EXPECT_EQ(test, 3, page_count(second.vvar_page));
	put_page(second.vvar_page);

	/* A reference to the struct alone does not keep the page. */
	mmgrab(mm);
	mmput(mm);
	KUNIT_EXPECT_EQ(test, 1, page_count(second.vvar_page));
	mmdrop(mm);

	__free_page(first.vvar_page);
	__free_page(second.vvar_page);
}

static struct kunit_case timens_vvar_cases[] = {
	KUNIT_CASE(the_vvar_page_carries_the_offset_of_every_clock),
	KUNIT_CASE(each_vvar_page_has_an_odd_sequence_count_of_its_own),
	KUNIT_CASE(the_vvar_page_is_that_of_the_address_space),
	KUNIT_CASE(an_address_space_holds_its_vvar_page_until_it_is_gone),
	{ }
};

static struct kunit_suite timens_vvar_suite = {
	.name		= "timens_vvar",
	.test_cases	= timens_vvar_cases,
};

kunit_test_suite(timens_vvar_suite);
