/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * User API of /dev/iommu. Names, numbers and layouts are fixed for ever; a
 * structure grows at its tail only.
 */
#ifndef _UAPI_IOMMUFD_H
#define _UAPI_IOMMUFD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IOMMUFD_TYPE (';')

/**
 * DOC: General ioctl format
 *
 * Every command takes a pointer to its own structure. The first __u32 holds
 * the number of bytes that the caller knows of that structure, so old programs
 * run on new kernels and the other way round:
 *
 * - A caller that knows less than the kernel: the members it lacks read as 0.
 * - A caller that knows more: its surplus bytes must all be 0, which asks for
 *   nothing the kernel could miss.
 * - Results are written back as far as the caller's size reaches.
 *
 * Addresses, lengths and offsets count bytes unless said otherwise. A range is
 * given as first byte and length; members whose name ends in "last" name the
 * final byte that still belongs to the range. All IDs are valid within one open
 * file only; 0 names no object.
 *
 * What an errno tells, whichever command returned it:
 *
 * ENOTTY
 *     There is no such command.
 * E2BIG
 *     The surplus bytes of a longer structure are not 0.
 * EOPNOTSUPP
 *     A flag, a type or a reserved member holds a value that this kernel,
 *     or the IOMMU driver, does not offer.
 * EINVAL
 *     The size is below the command's minimum, or a value makes no sense.
 * ENOENT
 *     No object of the right type has this ID, or nothing is at this IOVA.
 * EBUSY
 *     Something else still uses the object or the range.
 * EFAULT
 *     A pointer cannot be read or written.
 * EOVERFLOW
 *     Start plus length does not fit the address type.
 * ENOMEM
 *     Memory ran out, or RLIMIT_MEMLOCK would be exceeded.
 *
 * The comments of the commands list what is particular to each. The file's
 * /proc/PID/fdinfo/FD shows why the last few calls were refused.
 */
enum {
	IOMMUFD_CMD_BASE = 0x80,
	IOMMUFD_CMD_DESTROY = IOMMUFD_CMD_BASE,
	IOMMUFD_CMD_IOAS_ALLOC = 0x81,
	IOMMUFD_CMD_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_CMD_IOAS_COPY = 0x83,
	IOMMUFD_CMD_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_CMD_IOAS_MAP = 0x85,
	IOMMUFD_CMD_IOAS_UNMAP = 0x86,
	IOMMUFD_CMD_OPTION = 0x87,
	IOMMUFD_CMD_VFIO_IOAS = 0x88,
	IOMMUFD_CMD_HWPT_ALLOC = 0x89,
	IOMMUFD_CMD_GET_HW_INFO = 0x8a,
	IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_CMD_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_CMD_FAULT_QUEUE_ALLOC = 0x8e,
	IOMMUFD_CMD_IOAS_MAP_FILE = 0x8f,
	IOMMUFD_CMD_VIOMMU_ALLOC = 0x90,
	IOMMUFD_CMD_VDEVICE_ALLOC = 0x91,
	IOMMUFD_CMD_IOAS_CHANGE_PROCESS = 0x92,
	IOMMUFD_CMD_VEVENTQ_ALLOC = 0x93,
	IOMMUFD_CMD_HW_QUEUE_ALLOC = 0x94,
	IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA = 0x95,
};

/**
 * struct iommu_destroy - Argument of IOMMU_DESTROY
 * @size: Bytes of this structure that the caller knows
 * @id: Object to remove, of any type that user space may remove
 *
 * Removes an object and gives its ID back. Removing an IOAS unmaps all it
 * holds. Other calls that use the object at this very moment are waited for,
 * for a minute at most, and do not make the command fail.
 *
 * - ENOENT: no object has this ID.
 * - EBUSY: other objects, an attached device, an open event file descriptor
 *   or a mapping made with mmap() refer to it; devices and accesses belong to
 *   the driver that bound them and are always busy.
 */
struct iommu_destroy {
	__u32 size;
	__u32 id;
};

#define IOMMU_DESTROY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_DESTROY)

/**
 * struct iommu_ioas_alloc - Argument of IOMMU_IOAS_ALLOC
 * @size: Bytes of this structure that the caller knows
 * @flags: None defined, pass 0
 * @out_ioas_id: Where the ID of the new address space is returned
 *
 * Creates an empty I/O address space: a set of IOVA ranges, each showing some
 * memory, that devices and page tables can share.
 *
 * - EOPNOTSUPP: @flags is not 0.
 */
struct iommu_ioas_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_ioas_id;
};

#define IOMMU_IOAS_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC)

/**
 * struct iommu_iova_range - Some contiguous IOVAs
 * @start: Lowest IOVA of the range
 * @last: Highest IOVA of the range, itself included
 */
struct iommu_iova_range {
	__aligned_u64 start;
	__aligned_u64 last;
};

/**
 * struct iommu_ioas_iova_ranges - Argument of IOMMU_IOAS_IOVA_RANGES
 * @size: Bytes of this structure that the caller knows
 * @ioas_id: Address space to look at
 * @num_iovas: In: entries that fit into @allowed_iovas. Out: entries there are
 * @__reserved: Pass 0
 * @allowed_iovas: Array of struct iommu_iova_range to be filled
 * @out_iova_alignment: Power of two, in bytes, from 1 to the CPU's page size
 *
 * Tells which IOVAs are not reserved, in ascending order. A mapping must lie
 * inside one of these ranges, and both its start and its length must be
 * multiples of @out_iova_alignment.
 *
 * An address space without devices has one range that covers everything. An
 * attach takes away what the device cannot reach or keeps for itself (MSI
 * windows, firmware regions); a detach gives it back. So ask again after
 * either.
 *
 * - EOPNOTSUPP: @__reserved is not 0.
 * - ENOENT: @ioas_id is no address space.
 * - EMSGSIZE: the array is too short. As many entries as fit were written, and
 *   @num_iovas and @out_iova_alignment are valid: repeat with more room.
 * - EFAULT: the array is not writable.
 */
struct iommu_ioas_iova_ranges {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
	__aligned_u64 out_iova_alignment;
};

#define IOMMU_IOAS_IOVA_RANGES _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_IOVA_RANGES)

/**
 * struct iommu_ioas_allow_iovas - Argument of IOMMU_IOAS_ALLOW_IOVAS
 * @size: Bytes of this structure that the caller knows
 * @ioas_id: Address space to change
 * @num_iovas: Entries in @allowed_iovas; 0 lifts every restriction
 * @__reserved: Pass 0
 * @allowed_iovas: Array of struct iommu_iova_range
 *
 * Promises that the given ranges stay usable. From now on a device that would
 * have to reserve a part of them is refused at attach, and a mapping for which
 * the kernel chooses the place is put inside them. Mappings at a fixed IOVA
 * are not affected. The list replaces the previous one as a whole, or, on
 * failure, not at all.
 *
 * - EOPNOTSUPP: @__reserved is not 0.
 * - ENOENT: @ioas_id is no address space.
 * - EINVAL: an entry whose start is not below its last, or two that overlap.
 * - EOVERFLOW: an entry ends at what cannot be an address on this machine.
 * - EADDRINUSE: an entry touches a reserved region.
 * - ENOMEM: there are more than 2^20 entries.
 * - EFAULT: the array is not readable.
 */
struct iommu_ioas_allow_iovas {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
};

#define IOMMU_IOAS_ALLOW_IOVAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOW_IOVAS)

/**
 * enum iommufd_ioas_map_flags - How to place a mapping and what DMA may do
 * @IOMMU_IOAS_MAP_FIXED_IOVA: Put it exactly at the IOVA the caller passes;
 *                             without this flag the kernel chooses
 * @IOMMU_IOAS_MAP_WRITEABLE: Devices may write
 * @IOMMU_IOAS_MAP_READABLE: Devices may read
 */
enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0,
	IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,
	IOMMU_IOAS_MAP_READABLE = 1 << 2,
};

/**
 * struct iommu_ioas_map - Argument of IOMMU_IOAS_MAP
 * @size: Bytes of this structure that the caller knows
 * @flags: Of &enum iommufd_ioas_map_flags; at least one of the two permissions
 * @ioas_id: Address space to map into
 * @__reserved: Pass 0
 * @user_va: Address, in the calling process, of the first byte to show
 * @length: Bytes to show
 * @iova: In: where to put it, with IOMMU_IOAS_MAP_FIXED_IOVA. Out: where it is
 *
 * Shows memory of the calling process to devices. If a page table is connected
 * to the address space then all pages are pinned and mapped in it when the
 * call returns; if none is, pages are pinned when that happens. Pinned memory
 * counts against RLIMIT_MEMLOCK unless the caller has CAP_IPC_LOCK.
 *
 * When the kernel chooses the place it takes the lowest free one within the
 * allowed ranges, never IOVA 0, aligned so that large pages can be used, and
 * with the same offset into a page as @user_va.
 *
 * - EOPNOTSUPP: unknown flag, or @__reserved is not 0.
 * - EOVERFLOW: a range wraps, or @user_va, @iova or @length cannot be an address
 *   on this machine.
 * - EINVAL: no permission asked for; @length is 0; IOVA, length or offset into
 *   the page violate the alignment; the IOVA range is reserved.
 * - ENOENT: @ioas_id is no address space.
 * - EEXIST: the IOVA range is in use; nothing is ever replaced.
 * - ENOSPC: no free range is large enough.
 * - EFAULT: pages are absent, not writable although IOMMU_IOAS_MAP_WRITEABLE
 *   was given, or of a kind that cannot be pinned.
 * - ENOMEM: RLIMIT_MEMLOCK or memory is exhausted; nothing stays mapped.
 */
struct iommu_ioas_map {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 user_va;
	__aligned_u64 length;
	__aligned_u64 iova;
};

#define IOMMU_IOAS_MAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP)

/**
 * struct iommu_ioas_noiommu_get_pa - Argument of IOMMU_IOAS_NOIOMMU_GET_PA
 * @size: Bytes of this structure that the caller knows
 * @flags: None defined, pass 0
 * @ioas_id: Address space to look into
 * @__reserved: Pass 0
 * @iova: Address to translate
 * @length: In: bytes of interest, at least 1. Out: how many of these follow
 *          each other in physical memory
 * @out_phys: Physical address of the byte at @iova
 *
 * Meant for programs that program a device behind no IOMMU with physical
 * addresses. A device without an IOMMU cannot be attached to an address space
 * here, so no address space ever has the table this call reads, and a call
 * that passes all checks ends in EOPNOTSUPP.
 *
 * - EPERM: the caller lacks CAP_SYS_RAWIO.
 * - EOPNOTSUPP: @flags or @__reserved is not 0, or as said above.
 * - EINVAL: @length is 0.
 * - EOVERFLOW: @iova cannot be an address on this machine.
 * - ENOENT: @ioas_id is no address space, or nothing is mapped at @iova.
 */
struct iommu_ioas_noiommu_get_pa {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 out_phys;
};

#define IOMMU_IOAS_NOIOMMU_GET_PA _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA)

/**
 * struct iommu_ioas_map_file - Argument of IOMMU_IOAS_MAP_FILE
 * @size: Bytes of this structure that the caller knows
 * @flags: Of &enum iommufd_ioas_map_flags; at least one of the two permissions
 * @ioas_id: Address space to map into
 * @fd: A memfd, a file on tmpfs or hugetlbfs, or a dma-buf of a VFIO device's BAR
 * @start: Offset in the file of the first byte to show
 * @length: Bytes to show
 * @iova: In: where to put it, with IOMMU_IOAS_MAP_FIXED_IOVA. Out: where it is
 *
 * The same as IOMMU_IOAS_MAP for the contents of a file: the caller need not
 * have it mapped, and the mapping outlives the process that made it. The rules
 * of a shared mmap() apply: a mapping that devices may write counts as a writable
 * mapping of the file, which cannot be sealed against writing as long as it is
 * there.
 *
 * Errors are those of IOMMU_IOAS_MAP, and:
 *
 * - EBADF: @fd is not open.
 * - EINVAL: the file is of another kind, or the range exceeds it.
 * - EACCES: the file is not open for reading, or devices shall write and it is not
 *   open for writing.
 * - EPERM: devices shall write, but the file is sealed against writing.
 * - ENODEV: the dma-buf is revoked, its device does not answer now.
 * - EOPNOTSUPP: the dma-buf is not one piece of a BAR that vfio-pci exports.
 */
struct iommu_ioas_map_file {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__s32 fd;
	__aligned_u64 start;
	__aligned_u64 length;
	__aligned_u64 iova;
};

#define IOMMU_IOAS_MAP_FILE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP_FILE)

/**
 * struct iommu_ioas_copy - Argument of IOMMU_IOAS_COPY
 * @size: Bytes of this structure that the caller knows
 * @flags: Of &enum iommufd_ioas_map_flags; at least one of the two permissions
 * @dst_ioas_id: Address space that receives the mapping
 * @src_ioas_id: Address space that has it; may be the same
 * @length: Bytes to copy
 * @dst_iova: In: where to put it, with IOMMU_IOAS_MAP_FIXED_IOVA. Out: where
 *            it is
 * @src_iova: Where the copied range begins in the source
 *
 * Shows the memory behind a range of one address space in another one too. The
 * range may begin and end inside mappings and span several that join without a
 * gap; each of them becomes a mapping of its own. The memory is shared: pinned
 * once, charged once.
 *
 * Errors of the destination are those of IOMMU_IOAS_MAP, and:
 *
 * - ENOENT: either ID is no address space, or the source range has a hole; a
 *   mapping that another thread is just making is one.
 * - EPERM: devices shall write, but the source memory was mapped read-only.
 * - EBUSY: the source waits for a new address of its memory (VFIO_UPDATE_VADDR).
 */
struct iommu_ioas_copy {
	__u32 size;
	__u32 flags;
	__u32 dst_ioas_id;
	__u32 src_ioas_id;
	__aligned_u64 length;
	__aligned_u64 dst_iova;
	__aligned_u64 src_iova;
};

#define IOMMU_IOAS_COPY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_COPY)

/**
 * struct iommu_ioas_unmap - Argument of IOMMU_IOAS_UNMAP
 * @size: Bytes of this structure that the caller knows
 * @ioas_id: Address space to change
 * @iova: First address of the range
 * @length: In: bytes of the range. Out: how many bytes had been mapped there
 *
 * Removes every mapping inside the range. Holes are fine, a cut is not: each
 * mapping must lie inside as a whole, as it was made by a map or copy call.
 * @iova 0 with @length U64_MAX empties the address space, and succeeds even
 * when it is empty already. After the return no device reaches the memory.
 *
 * - ENOENT: @ioas_id is no address space, nothing is mapped in the range, or a
 *   mapping crosses one of its ends.
 * - EINVAL: @length is 0.
 * - EOVERFLOW: the range wraps, or @iova or @length cannot be an address on this
 *   machine.
 * - EBUSY: a hardware queue uses a mapping, or another thread is just making
 *   or removing it.
 * - EDEADLK: an in-kernel user of the memory does not let go of it.
 */
struct iommu_ioas_unmap {
	__u32 size;
	__u32 ioas_id;
	__aligned_u64 iova;
	__aligned_u64 length;
};

#define IOMMU_IOAS_UNMAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_UNMAP)

/**
 * enum iommufd_option - What IOMMU_OPTION can read and change
 * @IOMMU_OPTION_RLIMIT_MODE:
 *    Whom pinned memory is charged to: 0, the default of /dev/iommu, sums over
 *    all processes of a user; 1 counts each process by itself, as VFIO always
 *    did. Applies to the file, so the object ID must be 0. Setting it needs
 *    CAP_SYS_RESOURCE and a file that holds no object yet.
 * @IOMMU_OPTION_HUGE_PAGES:
 *    Per address space: 1, the default, lets the kernel use large IOMMU pages;
 *    0 maps every page by itself, which is of use for measurements and makes
 *    the IOVA alignment the CPU's page size.
 */
enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0,
	IOMMU_OPTION_HUGE_PAGES = 1,
};

/**
 * enum iommufd_option_ops - Direction of IOMMU_OPTION
 * @IOMMU_OPTION_OP_SET: Change the value
 * @IOMMU_OPTION_OP_GET: Read the value
 */
enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

/**
 * struct iommu_option - Argument of IOMMU_OPTION
 * @size: Bytes of this structure that the caller knows
 * @option_id: Of &enum iommufd_option
 * @op: Of &enum iommufd_option_ops
 * @__reserved: Pass 0
 * @object_id: The object whose option is meant, 0 for the file itself
 * @val64: In for SET, out for GET
 *
 * - EOPNOTSUPP: unknown option or direction, @__reserved is not 0, or an object
 *   given for an option of the file.
 * - ENOENT: @object_id is no address space.
 * - EINVAL: the value is out of range, or large pages shall be switched off
 *   while both page tables and mappings exist.
 * - EPERM: changing the accounting without CAP_SYS_RESOURCE.
 * - EBUSY: changing the accounting while the file holds objects.
 * - EADDRINUSE: a mapping would violate the alignment that follows.
 */
struct iommu_option {
	__u32 size;
	__u32 option_id;
	__u16 op;
	__u16 __reserved;
	__u32 object_id;
	__aligned_u64 val64;
};

#define IOMMU_OPTION _IO(IOMMUFD_TYPE, IOMMUFD_CMD_OPTION)

/**
 * enum iommufd_vfio_ioas_op - What IOMMU_VFIO_IOAS shall do
 * @IOMMU_VFIO_IOAS_GET: Tell the address space that VFIO's ioctls work on
 * @IOMMU_VFIO_IOAS_SET: Choose it
 * @IOMMU_VFIO_IOAS_CLEAR: Have none
 */
enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

/**
 * struct iommu_vfio_ioas - Argument of IOMMU_VFIO_IOAS
 * @size: Bytes of this structure that the caller knows
 * @ioas_id: The address space: in for SET, out for GET, unused for CLEAR
 * @op: Of &enum iommufd_vfio_ioas_op
 * @__reserved: Pass 0
 *
 * The ioctls of a VFIO container, when sent to an iommufd, have no member that
 * could name an address space. They use the one chosen here. If there is none
 * when the first VFIO group is put into the container, one is made and chosen.
 *
 * Groups stay with the address space that they found: the one that was chosen
 * when the first of them was attached by VFIO_SET_IOMMU or, without that call,
 * the one that was chosen when VFIO_GROUP_GET_DEVICE_FD attached the device.
 * What is set later changes where the container's ioctls map and unmap, and no
 * attachment. Nothing is destroyed by this call; destroying the chosen address
 * space clears the choice, and is EBUSY while groups are attached to it.
 *
 * - EOPNOTSUPP: unknown @op, or @__reserved is not 0.
 * - ENODEV: GET, and none is chosen.
 * - ENOENT: SET, and @ioas_id is no address space.
 */
struct iommu_vfio_ioas {
	__u32 size;
	__u32 ioas_id;
	__u16 op;
	__u16 __reserved;
};

#define IOMMU_VFIO_IOAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VFIO_IOAS)

/**
 * enum iommufd_hwpt_alloc_flags - Properties of a new hardware page table
 * @IOMMU_HWPT_ALLOC_NEST_PARENT: It translates guest physical addresses and can
 *                                lie under nested tables
 * @IOMMU_HWPT_ALLOC_DIRTY_TRACKING: It can report written pages; devices whose
 *                                   IOMMU cannot do so are refused at attach
 * @IOMMU_HWPT_FAULT_ID_VALID: Page requests of attached devices go to the fault
 *                             queue named by the fault_id member
 * @IOMMU_HWPT_ALLOC_PASID: It may be attached to a PASID. As soon as one PASID
 *                          of a device is in use, the table attached to the
 *                          device as such must have this flag as well. Tables
 *                          made by attaching to an IOAS never have it.
 */
enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0,
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1,
	IOMMU_HWPT_FAULT_ID_VALID = 1 << 2,
	IOMMU_HWPT_ALLOC_PASID = 1 << 3,
};

/**
 * enum iommu_hwpt_vtd_s1_flags - Attributes of an Intel VT-d first-stage table
 * @IOMMU_VTD_S1_SRE: Requests with supervisor privilege are accepted
 * @IOMMU_VTD_S1_EAFE: The extended-accessed bit is maintained
 * @IOMMU_VTD_S1_WPE: Read-only pages are so for supervisor requests as well
 */
enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1 << 0,
	IOMMU_VTD_S1_EAFE = 1 << 1,
	IOMMU_VTD_S1_WPE = 1 << 2,
};

/**
 * struct iommu_hwpt_vtd_s1 - Describes an Intel VT-d first-stage table
 * @flags: Of &enum iommu_hwpt_vtd_s1_flags
 * @pgtbl_addr: Guest physical address of the root of the table
 * @addr_width: Bits of an input address
 * @__reserved: Pass 0
 *
 * Data of IOMMU_HWPT_ALLOC with type IOMMU_HWPT_DATA_VTD_S1.
 */
struct iommu_hwpt_vtd_s1 {
	__aligned_u64 flags;
	__aligned_u64 pgtbl_addr;
	__u32 addr_width;
	__u32 __reserved;
};

/**
 * struct iommu_hwpt_arm_smmuv3 - Guest's stream table entry of an ARM SMMUv3
 * @ste: Words 0 and 1 of the entry as the guest wrote them, little-endian
 *
 * Data of IOMMU_HWPT_ALLOC with type IOMMU_HWPT_DATA_ARM_SMMUV3. These fields
 * may be set; chapter 5.2 of the architecture explains them:
 *
 * - Second word: S1STALLD, EATS and the memory attributes S1DSS, S1CIR, S1COR
 *   and S1CSH
 * - First word: V, Cfg, and S1Fmt, S1CDMax, S1ContextPtr
 *
 * Any other bit, or an entry that is not legal, gives EIO.
 *
 * Cfg decides what becomes of the device's DMA. Stage-1 translation follows
 * the context descriptors, which the hardware reads from guest memory through
 * the parent table. Bypass sends it through the parent table alone, abort stops
 * it.
 *
 * A table with Cfg set to translate can be attached only after the device got
 * a vDEVICE, because invalidations and events need its virtual stream ID. The
 * other two settings do without, for a guest that has not enabled its SMMU.
 * Allocate the vDEVICE as soon as the stream ID is known and attach again,
 * otherwise events of the device cannot be delivered to the guest.
 */
struct iommu_hwpt_arm_smmuv3 {
	__aligned_le64 ste[2];
};

/**
 * struct iommu_hwpt_amd_guest - Guest's device table entry of an AMD IOMMU
 * @dte: The entry's four words as the guest wrote them
 *
 * Data of IOMMU_HWPT_ALLOC with type IOMMU_HWPT_DATA_AMD_GUEST.
 */
struct iommu_hwpt_amd_guest {
	__aligned_u64 dte[4];
};

/**
 * enum iommu_hwpt_data_type - Which structure describes a nested table
 * @IOMMU_HWPT_DATA_NONE: None, the kernel manages the table
 * @IOMMU_HWPT_DATA_VTD_S1: &struct iommu_hwpt_vtd_s1
 * @IOMMU_HWPT_DATA_ARM_SMMUV3: &struct iommu_hwpt_arm_smmuv3
 * @IOMMU_HWPT_DATA_AMD_GUEST: &struct iommu_hwpt_amd_guest
 */
enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,
	IOMMU_HWPT_DATA_ARM_SMMUV3 = 2,
	IOMMU_HWPT_DATA_AMD_GUEST = 3,
};

/**
 * struct iommu_hwpt_alloc - Argument of IOMMU_HWPT_ALLOC
 * @size: Bytes of this structure that the caller knows
 * @flags: Of &enum iommufd_hwpt_alloc_flags
 * @dev_id: A bound device; its IOMMU determines the format of the table
 * @pt_id: What the table builds on: an IOAS, a hardware page table or a vIOMMU
 * @out_hwpt_id: Where the ID of the new table is returned
 * @__reserved: Pass 0
 * @data_type: Of &enum iommu_hwpt_data_type
 * @data_len: Bytes at @data_uptr, 0 if and only if the type says no data
 * @data_uptr: The structure that @data_type names
 * @fault_id: Fault queue, used with IOMMU_HWPT_FAULT_ID_VALID only
 * @__reserved2: Pass 0
 *
 * Makes a hardware page table. What @pt_id is decides about its kind:
 *
 * - An IOAS: the kernel fills and maintains the table with all mappings of the
 *   IOAS. Such a table is also made, and destroyed, by the kernel itself when a
 *   device is attached to an IOAS.
 * - A table made with IOMMU_HWPT_ALLOC_NEST_PARENT: a nested table, whose first
 *   stage is in guest memory. Only the flags IOMMU_HWPT_FAULT_ID_VALID and
 *   IOMMU_HWPT_ALLOC_PASID may go with it.
 * - A vIOMMU: likewise, over the parent table of the vIOMMU. The device must be
 *   behind the same physical IOMMU.
 *
 * Errors:
 *
 * - EOPNOTSUPP: a reserved member is not 0; a flag or data type that the driver
 *   lacks; a combination that is never possible.
 * - EINVAL: data type and length contradict each other; @pt_id names nothing
 *   usable; the parent was made by the kernel itself, without the flag or by
 *   another driver; the data is shorter than the driver requires.
 * - ENOENT: @dev_id or @fault_id is not of the right type.
 * - E2BIG: the data is longer than the driver knows and the rest is not 0.
 */
struct iommu_hwpt_alloc {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 pt_id;
	__u32 out_hwpt_id;
	__u32 __reserved;
	__u32 data_type;
	__u32 data_len;
	__aligned_u64 data_uptr;
	__u32 fault_id;
	__u32 __reserved2;
};

#define IOMMU_HWPT_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_ALLOC)

/**
 * enum iommu_hw_info_vtd_flags - Restrictions of an Intel VT-d unit
 * @IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17: A table that lies under nested ones
 *                                         must not contain read-only mappings;
 *                                         item SPR17 of Intel's document
 *                                         772415 tells the details
 */
enum iommu_hw_info_vtd_flags {
	IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1 << 0,
};

/**
 * struct iommu_hw_info_vtd - What an Intel VT-d unit can do
 * @flags: Of &enum iommu_hw_info_vtd_flags
 * @__reserved: Reads as 0
 * @cap_reg: The unit's CAP register
 * @ecap_reg: The unit's ECAP register
 *
 * Chapter 11.4 of the VT-d architecture describes the two registers.
 */
struct iommu_hw_info_vtd {
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 cap_reg;
	__aligned_u64 ecap_reg;
};

/**
 * enum iommu_hw_info_arm_smmuv3_flags - Restrictions of an ARM SMMUv3
 * @IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI:
 *    Each batch of TLBI or CFGI commands with its SYNC has to be sent a second
 *    time, because of erratum T264-SMMU-3.
 */
enum iommu_hw_info_arm_smmuv3_flags {
	IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI = 1 << 0,
};

/**
 * struct iommu_hw_info_arm_smmuv3 - What an ARM SMMUv3 can do
 * @flags: Of &enum iommu_hw_info_arm_smmuv3_flags
 * @__reserved: Reads as 0
 * @idr: Registers SMMU_IDR0 to SMMU_IDR5
 * @iidr: Register SMMU_IIDR
 * @aidr: Register SMMU_AIDR
 *
 * The registers are given as the hardware shows them, although the kernel makes
 * use of a part only. A VMM may rely on these fields:
 *
 * ======  =======================================================
 * idr[0]  TTF, ASID16, CD2L, TTENDIAN and the models STALL_MODEL,
 *         TERM_MODEL, ST_LEVEL
 * idr[1]  SSIDSIZE, SIDSIZE
 * idr[3]  RIL, BBML
 * idr[5]  DS, GRAN4K, GRAN16K, GRAN64K, VAX
 * ======  =======================================================
 *
 * and has to ignore all others: a later kernel may add to the list. Stage 1
 * exists where a nested table can be allocated, and table walks are always
 * coherent. ATS is decided per device, by what firmware tables say of it.
 */
struct iommu_hw_info_arm_smmuv3 {
	__u32 flags;
	__u32 __reserved;
	__u32 idr[6];
	__u32 iidr;
	__u32 aidr;
};

/**
 * struct iommu_hw_info_tegra241_cmdqv - What the CMDQV of a Tegra241 can do
 * @flags: Reads as 0
 * @version: Field of PARAM, bits 3:0
 * @log2vcmdqs: Field of PARAM, bits 7:4: exponent of the number of queues
 * @log2vsids: Field of PARAM, bits 15:12: exponent of the number of stream ID
 *             replacements
 * @__reserved: Reads as 0
 *
 * The fields can be copied into the emulated register. Its bits 11:8 have to
 * be 0, since a guest gets one virtual interface.
 */
struct iommu_hw_info_tegra241_cmdqv {
	__u32 flags;
	__u8 version;
	__u8 log2vcmdqs;
	__u8 log2vsids;
	__u8 __reserved;
};

/**
 * struct iommu_hw_info_amd - What an AMD IOMMU can do
 * @efr: Extended Feature Register, MMIO offset 0x30
 * @efr2: Extended Feature 2 Register, MMIO offset 0x1a0
 *
 * AMD's publication 48882 describes both registers. They are raw: a VMM may
 * pass GTSup, GASup, GioSup, PPRSup, EPHSup, GATS, GLX and PASmax of @efr on to
 * its guest and has to hide the rest.
 */
struct iommu_hw_info_amd {
	__aligned_u64 efr;
	__aligned_u64 efr2;
};

/**
 * enum iommu_hw_info_type - Which structure IOMMU_GET_HW_INFO returns
 * @IOMMU_HW_INFO_TYPE_NONE: None, the driver has nothing to tell
 * @IOMMU_HW_INFO_TYPE_DEFAULT: As input: whatever the driver prefers
 * @IOMMU_HW_INFO_TYPE_INTEL_VTD: &struct iommu_hw_info_vtd
 * @IOMMU_HW_INFO_TYPE_ARM_SMMUV3: &struct iommu_hw_info_arm_smmuv3
 * @IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV: &struct iommu_hw_info_tegra241_cmdqv
 * @IOMMU_HW_INFO_TYPE_AMD: &struct iommu_hw_info_amd
 */
enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_DEFAULT = 0,
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
	IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2,
	IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3,
	IOMMU_HW_INFO_TYPE_AMD = 4,
};

/**
 * enum iommufd_hw_capabilities - What the path from device to memory can do
 * @IOMMU_HW_CAP_DIRTY_TRACKING: Tables with IOMMU_HWPT_ALLOC_DIRTY_TRACKING
 *                               can be allocated for the device
 * @IOMMU_HW_CAP_PCI_PASID_EXEC: Requests with a PASID may ask for execution;
 *                               of meaning only if PASIDs are there
 * @IOMMU_HW_CAP_PCI_PASID_PRIV: Requests with a PASID may be privileged; of
 *                               meaning only if PASIDs are there
 * @IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED: The device will not use ATS. When clear,
 *                                      it may
 */
enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1,
	IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2,
	IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 1 << 3,
};

/**
 * enum iommufd_hw_info_flags - How to read struct iommu_hw_info
 * @IOMMU_HW_INFO_FLAG_INPUT_TYPE: The caller asks for the structure named by
 *                                 in_data_type
 */
enum iommufd_hw_info_flags {
	IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1 << 0,
};

/**
 * struct iommu_hw_info - Argument of IOMMU_GET_HW_INFO
 * @size: Bytes of this structure that the caller knows
 * @flags: Of &enum iommufd_hw_info_flags
 * @dev_id: A bound device
 * @data_len: In: bytes of room at @data_uptr, may be 0. Out: bytes that the
 *            driver has to tell
 * @data_uptr: Buffer for the driver's structure
 * @in_data_type: Wanted type, of &enum iommu_hw_info_type; without
 *                IOMMU_HW_INFO_FLAG_INPUT_TYPE the driver chooses
 * @out_data_type: Type that was returned; shares its place with @in_data_type
 * @out_max_pasid_log2: Bits of a PASID, 0 when the device has none
 * @__reserved: Pass 0
 * @out_capabilities: Of &enum iommufd_hw_capabilities
 *
 * Describes the IOMMU in front of a device, for a VMM that shows a similar one
 * to its guest. A buffer that is too short receives the beginning of the
 * structure, one that is too long is filled up with 0; compare @data_len.
 *
 * - EOPNOTSUPP: unknown flag, a reserved byte is not 0, a type the driver does
 *   not have, or a device without an IOMMU.
 * - ENOENT: @dev_id is no bound device.
 * - EFAULT: the buffer is not writable.
 */
struct iommu_hw_info {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 data_len;
	__aligned_u64 data_uptr;
	union {
		__u32 in_data_type;
		__u32 out_data_type;
	};
	__u8 out_max_pasid_log2;
	__u8 __reserved[3];
	__aligned_u64 out_capabilities;
};

#define IOMMU_GET_HW_INFO _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_HW_INFO)

/**
 * enum iommufd_hwpt_set_dirty_tracking_flags - Switch of dirty tracking
 * @IOMMU_HWPT_DIRTY_TRACKING_ENABLE: Track from now on; when clear, stop
 */
enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1,
};

/**
 * struct iommu_hwpt_set_dirty_tracking - Argument of
 * IOMMU_HWPT_SET_DIRTY_TRACKING
 * @size: Bytes of this structure that the caller knows
 * @flags: Of &enum iommufd_hwpt_set_dirty_tracking_flags
 * @hwpt_id: A table that the kernel manages
 * @__reserved: Pass 0
 *
 * Starts or stops recording which pages devices write. Starting forgets what
 * was recorded before; while pages are recorded it changes nothing. What was
 * recorded can be read after stopping, too.
 *
 * - EOPNOTSUPP: unknown flag, @__reserved is not 0, or a table that was not
 *   made with IOMMU_HWPT_ALLOC_DIRTY_TRACKING.
 * - ENOENT: @hwpt_id is no table of this kind.
 */
struct iommu_hwpt_set_dirty_tracking {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 __reserved;
};

#define IOMMU_HWPT_SET_DIRTY_TRACKING _IO(IOMMUFD_TYPE, \
					  IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING)

/**
 * enum iommufd_hwpt_get_dirty_bitmap_flags - How to read the dirty state
 * @IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR: Leave pages dirty in the table. Saves
 *                                        the flush, for a range that is about
 *                                        to be unmapped anyway.
 */
enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1,
};

/**
 * struct iommu_hwpt_get_dirty_bitmap - Argument of IOMMU_HWPT_GET_DIRTY_BITMAP
 * @size: Bytes of this structure that the caller knows
 * @hwpt_id: A table that the kernel manages
 * @flags: Of &enum iommufd_hwpt_get_dirty_bitmap_flags
 * @__reserved: Pass 0
 * @iova: First address of the range to read
 * @length: Bytes of the range
 * @page_size: Bytes that one bit stands for, a power of two
 * @data: The bitmap, an array of __u64
 *
 * Reports the pages that devices wrote and, without a flag, marks them clean in
 * the same step. Bit 0 stands for the page at @iova: the page at address a is
 * bit (a - @iova) / @page_size, counted from the least significant bit of the
 * first __u64 on. Bits are set and never cleared, so reports can be collected
 * in one bitmap. A unit below the IOMMU's own page size is allowed; then one
 * written page sets several bits. Parts of the range where nothing is mapped
 * are skipped. A page of the IOMMU that the range cuts is reported and stays
 * dirty, so ranges should be whole mappings.
 *
 * A call that fails loses nothing: what it made clean stands in the bitmap.
 *
 * - EOPNOTSUPP: unknown flag, @__reserved is not 0, or a table that was not
 *   made with IOMMU_HWPT_ALLOC_DIRTY_TRACKING.
 * - ENOENT: @hwpt_id is no table of this kind.
 * - EINVAL: @length is 0; @page_size is no power of two; the range is not
 *   aligned to it or to the alignment of the IOAS.
 * - EOVERFLOW: the range wraps.
 * - EFAULT: the bitmap is not writable; every page stays dirty.
 */
struct iommu_hwpt_get_dirty_bitmap {
	__u32 size;
	__u32 hwpt_id;
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
};

#define IOMMU_HWPT_GET_DIRTY_BITMAP _IO(IOMMUFD_TYPE, \
					IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP)

/**
 * enum iommu_hwpt_invalidate_data_type - Which structure an entry of
 * IOMMU_HWPT_INVALIDATE has
 * @IOMMU_HWPT_INVALIDATE_DATA_VTD_S1: &struct iommu_hwpt_vtd_s1_invalidate
 * @IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3:
 *    &struct iommu_viommu_arm_smmuv3_invalidate
 */
enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,
	IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1,
};

/**
 * enum iommu_hwpt_vtd_s1_invalidate_flags - Extent of a VT-d invalidation
 * @IOMMU_VTD_INV_FLAGS_LEAF: Only leaf entries changed; when clear, entries of
 *                            upper levels may have changed as well
 */
enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0,
};

/**
 * struct iommu_hwpt_vtd_s1_invalidate - One invalidation of a VT-d first stage
 * @addr: First input address, multiple of 4096
 * @npages: Pages of 4096 bytes
 * @flags: Of &enum iommu_hwpt_vtd_s1_invalidate_flags
 * @__reserved: Pass 0
 *
 * Has to be sent when a guest changed its table. @addr 0 with @npages U64_MAX
 * drops everything cached of the table. Where the device uses ATS its own cache
 * is included.
 */
struct iommu_hwpt_vtd_s1_invalidate {
	__aligned_u64 addr;
	__aligned_u64 npages;
	__u32 flags;
	__u32 __reserved;
};

/**
 * struct iommu_viommu_arm_smmuv3_invalidate - One command of a guest's queue
 * @cmd: The command as the guest wrote it, little-endian
 *
 * For a vIOMMU only. The kernel replaces virtual stream IDs and the VMID, and
 * accepts: TLBI_NSNH_ALL, TLBI_NH_VA, TLBI_NH_VAA, TLBI_NH_ALL, TLBI_NH_ASID,
 * ATC_INV, CFGI_CD and CFGI_CD_ALL. Other commands, and fields that are not
 * defined or not implemented by the hardware, end the call with EIO; a VMM has
 * to sort them out before.
 */
struct iommu_viommu_arm_smmuv3_invalidate {
	__aligned_le64 cmd[2];
};

/**
 * struct iommu_hwpt_invalidate - Argument of IOMMU_HWPT_INVALIDATE
 * @size: Bytes of this structure that the caller knows
 * @hwpt_id: A nested table, or a vIOMMU for caches beyond one table
 * @data_uptr: Array of entries
 * @data_type: Of &enum iommu_hwpt_invalidate_data_type, the same for all entries
 * @entry_len: Bytes of one entry
 * @entry_num: In: entries in the array, at most 2^19. Out, on success and on
 *             failure: how many the kernel completed, counted from the first
 * @__reserved: Pass 0
 *
 * Tells the IOMMU that user space changed a table it maintains. With no entries
 * nothing is invalidated, but the call fails if @data_type is not supported.
 *
 * - EOPNOTSUPP: @__reserved is not 0, or the driver has no invalidation here.
 * - ENOENT: there is no such object.
 * - EINVAL: it is of another type; the driver does not take @data_type; there
 *   are entries but no pointer, no length or a length above the CPU's page
 *   size; too many entries.
 */
struct iommu_hwpt_invalidate {
	__u32 size;
	__u32 hwpt_id;
	__aligned_u64 data_uptr;
	__u32 data_type;
	__u32 entry_len;
	__u32 entry_num;
	__u32 __reserved;
};

#define IOMMU_HWPT_INVALIDATE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_INVALIDATE)

/**
 * enum iommu_hwpt_pgfault_flags - Properties of a page request
 * @IOMMU_PGFAULT_FLAGS_PASID_VALID: It came with a PASID
 * @IOMMU_PGFAULT_FLAGS_LAST_PAGE: It completes its group
 */
enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID		= (1 << 0),
	IOMMU_PGFAULT_FLAGS_LAST_PAGE		= (1 << 1),
};

/**
 * enum iommu_hwpt_pgfault_perm - What a page request wants to do
 * @IOMMU_PGFAULT_PERM_READ: Read
 * @IOMMU_PGFAULT_PERM_WRITE: Write
 * @IOMMU_PGFAULT_PERM_EXEC: Execute; the PASID prefix had this bit set
 * @IOMMU_PGFAULT_PERM_PRIV: Act with privilege; the PASID prefix had this bit
 *                           set
 *
 * Chapter 10.4.1 of the PCI Express specification has the details.
 */
enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ			= (1 << 0),
	IOMMU_PGFAULT_PERM_WRITE		= (1 << 1),
	IOMMU_PGFAULT_PERM_EXEC			= (1 << 2),
	IOMMU_PGFAULT_PERM_PRIV			= (1 << 3),
};

/**
 * struct iommu_hwpt_pgfault - Record that a fault queue delivers to read()
 * @flags: Of &enum iommu_hwpt_pgfault_flags
 * @dev_id: Device that sent the request
 * @pasid: Its PASID, if the flag says so
 * @grpid: Group number the device chose
 * @perm: Of &enum iommu_hwpt_pgfault_perm
 * @__reserved: Reads as 0
 * @addr: Page that is missing
 * @length: Bytes the device expects to transfer from there on, 0 if unknown. A
 *          hint of how much to populate
 * @cookie: Names the group; goes into the response
 *
 * The buffer of read() must be a multiple of this structure and have room for
 * at least one whole group; groups are never split. 0 bytes mean that nothing is
 * queued; wait with poll().
 */
struct iommu_hwpt_pgfault {
	__u32 flags;
	__u32 dev_id;
	__u32 pasid;
	__u32 grpid;
	__u32 perm;
	__u32 __reserved;
	__aligned_u64 addr;
	__u32 length;
	__u32 cookie;
};

/**
 * enum iommufd_page_response_code - Outcome of a page request
 * @IOMMUFD_PAGE_RESP_SUCCESS: The page is there now, the device shall try again
 * @IOMMUFD_PAGE_RESP_INVALID: There will be no page, the device shall give up
 *
 * Chapter 10.4.2.1 of the PCI Express specification defines both codes.
 */
enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0,
	IOMMUFD_PAGE_RESP_INVALID = 1,
};

/**
 * struct iommu_hwpt_page_response - Record that a fault queue takes by write()
 * @cookie: As it was in the records of the group
 * @code: Of &enum iommufd_page_response_code
 *
 * Answers a whole group. Groups without an answer are ended with
 * IOMMUFD_PAGE_RESP_INVALID when their device is detached or the queue closed.
 * A cookie that is not outstanding or an unknown code gives EINVAL, unless
 * records before it were accepted; then their bytes are returned.
 */
struct iommu_hwpt_page_response {
	__u32 cookie;
	__u32 code;
};

/**
 * struct iommu_fault_alloc - Argument of IOMMU_FAULT_QUEUE_ALLOC
 * @size: Bytes of this structure that the caller knows
 * @flags: None defined, pass 0
 * @out_fault_id: Where the ID of the queue is returned
 * @out_fault_fd: Where its file descriptor is returned, close-on-exec
 *
 * Makes a queue of page requests for one or more page tables. The object is in
 * use while the file descriptor is open or a table refers to it.
 *
 * - EOPNOTSUPP: @flags is not 0.
 */
struct iommu_fault_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_fault_id;
	__u32 out_fault_fd;
};

#define IOMMU_FAULT_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_FAULT_QUEUE_ALLOC)

/**
 * enum iommu_viommu_type - Kinds of vIOMMU
 * @IOMMU_VIOMMU_TYPE_DEFAULT: Not in use
 * @IOMMU_VIOMMU_TYPE_ARM_SMMUV3: Slice of an ARM SMMUv3
 * @IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV: Slice of an ARM SMMUv3 together with a
 *    virtual interface of the Tegra241's command queue extension. The interface
 *    is not owned by a hypervisor, so the VMM has to keep HYP_OWN at 0 in what
 *    the guest reads of VINTF_CONFIG, or its queues will not run.
 */
enum iommu_viommu_type {
	IOMMU_VIOMMU_TYPE_DEFAULT = 0,
	IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2,
};

/**
 * struct iommu_viommu_tegra241_cmdqv - Where to find a virtual interface
 * @out_vintf_mmap_offset: Offset for mmap() of the iommufd
 * @out_vintf_mmap_length: Length for mmap() of the iommufd
 *
 * Data of IOMMU_VIOMMU_ALLOC with type IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV. What
 * can be mapped there is page 0 of the interface; a VMM shows it to the guest,
 * which then runs its queues without exits.
 */
struct iommu_viommu_tegra241_cmdqv {
	__aligned_u64 out_vintf_mmap_offset;
	__aligned_u64 out_vintf_mmap_length;
};

/**
 * struct iommu_viommu_alloc - Argument of IOMMU_VIOMMU_ALLOC
 * @size: Bytes of this structure that the caller knows
 * @flags: None defined, pass 0
 * @type: Of &enum iommu_viommu_type
 * @dev_id: A bound device; the vIOMMU is a slice of the IOMMU in front of it
 * @hwpt_id: A table made with IOMMU_HWPT_ALLOC_NEST_PARENT: the guest's memory
 * @out_viommu_id: Where the ID of the vIOMMU is returned
 * @data_len: Bytes at @data_uptr
 * @__reserved: Pass 0
 * @data_uptr: Structure of the type, which the driver may read and write
 *
 * Makes what one guest may own of a physical IOMMU: its name space of device
 * and cache tags, its invalidations, its hardware queues, and events that no
 * single device caused. Devices are entered with IOMMU_VDEVICE_ALLOC.
 *
 * - EOPNOTSUPP: @flags or @__reserved is not 0, or the driver does not offer
 *   @type.
 * - ENOENT: @dev_id or @hwpt_id is not of the right type.
 * - EINVAL: @hwpt_id cannot be a parent of nested tables.
 */
struct iommu_viommu_alloc {
	__u32 size;
	__u32 flags;
	__u32 type;
	__u32 dev_id;
	__u32 hwpt_id;
	__u32 out_viommu_id;
	__u32 data_len;
	__u32 __reserved;
	__aligned_u64 data_uptr;
};

#define IOMMU_VIOMMU_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VIOMMU_ALLOC)

/**
 * struct iommu_vdevice_alloc - Argument of IOMMU_VDEVICE_ALLOC
 * @size: Bytes of this structure that the caller knows
 * @viommu_id: The vIOMMU
 * @dev_id: A bound device behind the same physical IOMMU
 * @out_vdevice_id: Where the ID of the vDEVICE is returned
 * @virt_id: Number by which the guest's IOMMU driver knows the device: a stream
 *           ID for ARM, a device ID for AMD, a requester ID for Intel
 *
 * Enters a device in a vIOMMU. A device that is closed takes its vDEVICE along:
 * the ID names nothing then, and is not given to another object before it has
 * been destroyed as well, which returns ENOENT.
 *
 * - ENOENT: @viommu_id or @dev_id is not of the right type, or the device is
 *   being unbound.
 * - EINVAL: the device is behind another IOMMU.
 * - EEXIST: the device has a vDEVICE already, or @virt_id is taken.
 */
struct iommu_vdevice_alloc {
	__u32 size;
	__u32 viommu_id;
	__u32 dev_id;
	__u32 out_vdevice_id;
	__aligned_u64 virt_id;
};

#define IOMMU_VDEVICE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VDEVICE_ALLOC)

/**
 * struct iommu_ioas_change_process - Argument of IOMMU_IOAS_CHANGE_PROCESS
 * @size: Bytes of this structure that the caller knows
 * @__reserved: Pass 0
 *
 * Makes the caller the one whom all pinned memory of the file is charged to, as
 * if it had made the mappings. For programs that hand their devices over to a
 * successor without stopping them. All mappings change, or none; one that is
 * just being made is waited for.
 *
 * - EOPNOTSUPP: @__reserved is not 0.
 * - EINVAL: a mapping made by address with IOMMU_IOAS_MAP; its memory cannot
 *   change hands.
 * - EBUSY: another thread is just destroying an IOAS.
 * - ENOMEM: the caller's RLIMIT_MEMLOCK is too low.
 */
struct iommu_ioas_change_process {
	__u32 size;
	__u32 __reserved;
};

#define IOMMU_IOAS_CHANGE_PROCESS \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_CHANGE_PROCESS)

/**
 * enum iommu_veventq_flag - Marks in the header of an event
 * @IOMMU_VEVENTQ_FLAG_LOST_EVENTS: The queue overflowed; no data follows
 */
enum iommu_veventq_flag {
	IOMMU_VEVENTQ_FLAG_LOST_EVENTS = (1U << 0),
};

/**
 * struct iommufd_vevent_header - Precedes each event that read() delivers
 * @flags: Of &enum iommu_veventq_flag
 * @sequence: Number of the event. Counts up to INT_MAX, then begins at 0 again
 *
 * Events that were lost are counted as well. If the number rises by more than 1
 * from one header to the next, the difference less 1 tells how many are missing
 * in between. Events lost after the newest that is queued are announced by a
 * header alone, which has IOMMU_VEVENTQ_FLAG_LOST_EVENTS set and carries the
 * number of the last one that was lost.
 */
struct iommufd_vevent_header {
	__u32 flags;
	__u32 sequence;
};

/**
 * enum iommu_veventq_type - Kinds of event queue
 * @IOMMU_VEVENTQ_TYPE_DEFAULT: Not in use
 * @IOMMU_VEVENTQ_TYPE_ARM_SMMUV3: &struct iommu_vevent_arm_smmuv3
 * @IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV: &struct iommu_vevent_tegra241_cmdqv
 */
enum iommu_veventq_type {
	IOMMU_VEVENTQ_TYPE_DEFAULT = 0,
	IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2,
};

/**
 * struct iommu_vevent_arm_smmuv3 - Event record of an ARM SMMUv3
 * @evt: The record, little-endian, with the virtual stream ID in it
 *
 * Chapter 7.3 of the architecture describes the records; those of a device that
 * has a vDEVICE and is attached to a nested table are delivered:
 *
 * - Bad configuration: C_BAD_STE (0x04), C_BAD_SUBSTREAMID (0x08),
 *   C_BAD_CD (0x0a)
 * - Refused transaction: F_STREAM_DISABLED (0x06), F_TRANSLATION (0x10),
 *   F_ADDR_SIZE (0x11), F_ACCESS (0x12), F_PERMISSION (0x13)
 */
struct iommu_vevent_arm_smmuv3 {
	__aligned_le64 evt[4];
};

/**
 * struct iommu_vevent_tegra241_cmdqv - Error map of a Tegra241's virtual
 * interface
 * @lvcmdq_err_map: The LVCMDQ_ERR_MAP registers, little-endian: a bit for each
 *                  logical queue of the vIOMMU that stopped with an error
 */
struct iommu_vevent_tegra241_cmdqv {
	__aligned_le64 lvcmdq_err_map[2];
};

/**
 * struct iommu_veventq_alloc - Argument of IOMMU_VEVENTQ_ALLOC
 * @size: Bytes of this structure that the caller knows
 * @flags: None defined, pass 0
 * @viommu_id: The vIOMMU whose events are wanted
 * @type: Of &enum iommu_veventq_type
 * @veventq_depth: Events the queue can hold, 1 to 2^19
 * @out_veventq_id: Where the ID of the queue is returned
 * @out_veventq_fd: Where its file descriptor is returned, close-on-exec
 * @__reserved: Pass 0
 *
 * Makes a queue for events of one type; a vIOMMU has at most one of each. read()
 * returns whole events, each a struct iommufd_vevent_header followed by the
 * structure of the type, or 0 bytes when there is none; poll() waits for
 * them.
 *
 * - EOPNOTSUPP: @flags or @__reserved is not 0, or @type is not in use.
 * - EINVAL: @veventq_depth is out of range.
 * - ENOENT: @viommu_id is no vIOMMU.
 * - EEXIST: the vIOMMU has a queue of this type.
 */
struct iommu_veventq_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 veventq_depth;
	__u32 out_veventq_id;
	__u32 out_veventq_fd;
	__u32 __reserved;
};

#define IOMMU_VEVENTQ_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VEVENTQ_ALLOC)

/**
 * enum iommu_hw_queue_type - Kinds of hardware queue
 * @IOMMU_HW_QUEUE_TYPE_DEFAULT: Not in use
 * @IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV: Command queue of the Tegra241's extension
 *    to the ARM SMMUv3. Queues are made with index 0, 1, 2 and so on, and
 *    destroyed in the opposite order. Their length is a power of two, at least
 *    32 and at most 16 << IDR1.CMDQS bytes (see struct
 *    iommu_hw_info_arm_smmuv3), and the address a multiple of the length. Large
 *    pages are the easiest way to provide memory without a break; let the guest
 *    see a CMDQS that makes a queue fit into one.
 */
enum iommu_hw_queue_type {
	IOMMU_HW_QUEUE_TYPE_DEFAULT = 0,
	IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1,
};

/**
 * struct iommu_hw_queue_alloc - Argument of IOMMU_HW_QUEUE_ALLOC
 * @size: Bytes of this structure that the caller knows
 * @flags: None defined, pass 0
 * @viommu_id: The vIOMMU that gets the queue
 * @type: Of &enum iommu_hw_queue_type
 * @index: Number of the queue among those of its type
 * @out_hw_queue_id: Where the ID of the queue is returned
 * @nesting_parent_iova: Guest physical address of the queue's memory, as mapped
 *                       in the IOAS under the vIOMMU's parent table
 * @length: Bytes of the queue's memory
 *
 * Lets the hardware read a queue out of guest memory. The mappings that hold the
 * queue cannot be unmapped before it is destroyed.
 *
 * - EOPNOTSUPP: @flags is not 0, @type is not in use or not offered.
 * - EINVAL: @length is 0, the mapping is not aligned, or the driver does not
 *   accept the index, length or address.
 * - EOVERFLOW: the range wraps.
 * - ENOENT: @viommu_id is no vIOMMU, or a part of the range is not mapped.
 * - EFAULT: the memory is not contiguous physically.
 */
struct iommu_hw_queue_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 index;
	__u32 out_hw_queue_id;
	__aligned_u64 nesting_parent_iova;
	__aligned_u64 length;
};

#define IOMMU_HW_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HW_QUEUE_ALLOC)
#endif
