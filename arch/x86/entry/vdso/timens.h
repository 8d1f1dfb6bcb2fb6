/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the vvar mapping and the time namespace that chooses its vvar page.
 */
#ifndef _X86_ENTRY_VDSO_TIMENS_H
#define _X86_ENTRY_VDSO_TIMENS_H

#include <linux/mm.h>
#include <linux/pfn_t.h>
#include <vdso/datapage.h>
#include <asm/vdso.h>
#include <asm/vvar.h>

extern const struct vm_special_mapping vvar_mapping;

/* Maps the host's vvar page at @addr. It is part of the kernel and needs no reference. */
static inline vm_fault_t vvar_insert_host(struct vm_area_struct *vma, unsigned long addr)
{
	return vmf_insert_mixed(vma, addr, phys_to_pfn_t(__pa_symbol(&__vvar_page), PFN_DEV));
}

#ifdef CONFIG_TIME_NS

bool vdso_is_vvar_page(const struct vdso_image *image, long sym_offset);
vm_fault_t vdso_fault_vvar_pages(struct vm_area_struct *vma, unsigned long base);
int vvar_mremap(const struct vm_special_mapping *sm, struct vm_area_struct *new_vma);

static inline void vvar_set_address(struct mm_struct *mm, unsigned long addr)
{
	mmap_assert_write_locked(mm);
	mm->context.vvar = addr;
}

#else /* !CONFIG_TIME_NS */

static inline bool vdso_is_vvar_page(const struct vdso_image *image, long sym_offset)
{
	return sym_offset == image->sym_vvar_page;
}

/* @base: what the symbols of the image are relative to. */
static inline vm_fault_t vdso_fault_vvar_pages(struct vm_area_struct *vma, unsigned long base)
{
	return vvar_insert_host(vma, base + vma->vm_mm->context.vdso_image->sym_vvar_page);
}

static inline void vvar_set_address(struct mm_struct *mm, unsigned long addr) { }

#define vvar_mremap	NULL

#endif /* CONFIG_TIME_NS */

#ifdef CONFIG_TIME_NS_WALL
bool vdso_is_wall_page(const struct vdso_image *image, long sym_offset);
vm_fault_t vdso_fault_wall_page(struct vm_area_struct *vma, unsigned long addr);
#else
static inline bool vdso_is_wall_page(const struct vdso_image *image, long sym_offset)
{
	return false;
}

static inline vm_fault_t vdso_fault_wall_page(struct vm_area_struct *vma, unsigned long addr)
{
	return VM_FAULT_SIGBUS;
}
#endif /* CONFIG_TIME_NS_WALL */

#endif /* _X86_ENTRY_VDSO_TIMENS_H */
