// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vvar pages of an address space whose tasks may be in a time namespace: which
 * of them is mapped, and how they are replaced when the namespace changes.
 *
 * Whatever user space does with its mappings, a page table entry must not outlive
 * the page it points to, and should not show a page that was replaced:
 *
 * - The entry holds a reference to the namespace's page, as that of any other page
 *   does. fork(), mremap() and munmap() count it like those of a file.
 * - There is one vvar mapping in an address space: map_vdso_once() looks for one and
 *   maps the vDSO within one critical section of mmap_lock. The mapping cannot be
 *   split or grown, nor copied by mremap(), unless that finds no memory to unmap the
 *   old one. Then the old one may show old clocks.
 * - Its address is known, so vdso_join_timens() finds and zaps it, however many other
 *   mappings there are.
 */
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/time_namespace.h>

#include "timens.h"

/**
 * vdso_is_vvar_page() - is this one of the two vvar pages of the vvar mapping?
 * @image:	vDSO image that is mapped
 * @sym_offset:	offset of the page from what the symbols of @image are relative to
 *
 * Return: true if vdso_fault_vvar_pages() maps the page.
 */
bool vdso_is_vvar_page(const struct vdso_image *image, long sym_offset)
{
	return sym_offset == image->sym_vvar_page || sym_offset == image->sym_host_page;
}

/**
 * vdso_fault_vvar_pages() - map the vvar pages
 * @vma:	the vvar mapping; mmap_lock is held
 * @base:	address that the symbols of the image are relative to
 *
 * In a time namespace with offsets the namespace's page takes the place of the
 * host's, which is always at the end as well:
 *
 *			without offsets	namespace with offsets
 *	sym_vvar_page		host		namespace
 *	sym_pvclock_page	pvclock		pvclock
 *	sym_hvclock_page	hvclock		hvclock
 *	sym_host_page		host		host
 *
 * So the vDSO reads there what is the same in all namespaces, and need not know
 * whether it is in one. Both are mapped at the first fault on either of them, which
 * saves the second fault.
 *
 * Return: what a fault handler returns.
 */
vm_fault_t vdso_fault_vvar_pages(struct vm_area_struct *vma, unsigned long base)
{
	const struct vdso_image *image = vma->vm_mm->context.vdso_image;
	struct page *page = find_timens_vvar_page(vma);
	vm_fault_t ret;

	ret = vvar_insert_host(vma, base + image->sym_host_page);
	if (ret & VM_FAULT_ERROR)
		return ret;
	if (page)
		return vmf_insert_page(vma, base + image->sym_vvar_page, page);
	return vvar_insert_host(vma, base + image->sym_vvar_page);
}

#ifdef CONFIG_TIME_NS_WALL
/**
 * vdso_is_wall_page() - is this the page of the wall clock?
 * @image:	vDSO image that is mapped
 * @sym_offset:	offset of the page from what the symbols of @image are relative to
 *
 * Return: true if vdso_fault_wall_page() maps the page.
 */
bool vdso_is_wall_page(const struct vdso_image *image, long sym_offset)
{
	return sym_offset == image->sym_wall_page;
}

/**
 * vdso_fault_wall_page() - map the page of the wall clock
 * @vma:	the vvar mapping; mmap_lock is held
 * @addr:	where
 *
 * A reader that setns() interrupted may look for it where there is none any more, before
 * it finds that the first page is another. What it gets from any other page it throws
 * away.
 *
 * Return: what a fault handler returns.
 */
vm_fault_t vdso_fault_wall_page(struct vm_area_struct *vma, unsigned long addr)
{
	struct page *page = find_timens_wall_page(vma);

	if (page)
		return vmf_insert_page(vma, addr, page);
	return vvar_insert_host(vma, addr);
}
#endif /* CONFIG_TIME_NS_WALL */

/**
 * vvar_mremap() - follow the vvar mapping, which user space may move without the vDSO
 * @sm:		the kind of mapping
 * @new_vma:	where it is going to be
 *
 * Return: 0.
 */
int vvar_mremap(const struct vm_special_mapping *sm, struct vm_area_struct *new_vma)
{
	vvar_set_address(new_vma->vm_mm, new_vma->vm_start);
	return 0;
}

struct vdso_data *arch_get_vdso_data(void *vvar_page)
{
	return vvar_page + offset_in_page(_vdso_data);
}

/**
 * vdso_join_timens() - unmap the vvar pages of a task that changes its namespace
 * @task:	only user of its address space
 * @ns:		namespace that it is going to be in
 *
 * Those of @ns are mapped at the next fault. User space may have unmapped the vvar
 * mapping and put something else in its place.
 */
void vdso_join_timens(struct task_struct *task, struct time_namespace *ns)
{
	struct mm_struct *mm = task->mm;
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, mm->context.vvar);
	if (vma && vma_is_special_mapping(vma, &vvar_mapping))
		zap_vma_pages(vma);
	mmap_read_unlock(mm);
}
