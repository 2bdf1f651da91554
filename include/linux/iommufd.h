/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What iommufd offers inside the kernel: to VFIO (devices, accesses, the legacy
 * container), and to IOMMU drivers (vIOMMU, vDEVICE, hardware queues, events).
 * The structures here are embedded in those of drivers, so their layout is part
 * of the driver ABI.
 */
#ifndef __LINUX_IOMMUFD_H
#define __LINUX_IOMMUFD_H

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <uapi/linux/iommufd.h>

struct device;
struct file;
struct iommu_group;
struct iommu_user_data;
struct iommu_user_data_array;
struct iommufd_access;
struct iommufd_ctx;
struct iommufd_device;
struct iommufd_viommu_ops;
struct page;

/**
 * enum iommufd_object_type - What an ID can stand for
 * @IOMMUFD_OBJ_NONE: Nothing
 * @IOMMUFD_OBJ_ANY: Any type, for lookups
 * @IOMMUFD_OBJ_DEVICE: A bound device
 * @IOMMUFD_OBJ_HWPT_PAGING: A page table filled from an IOAS
 * @IOMMUFD_OBJ_HWPT_NESTED: A page table whose first stage user space keeps
 * @IOMMUFD_OBJ_IOAS: An I/O address space
 * @IOMMUFD_OBJ_ACCESS: A kernel driver's way into an IOAS
 * @IOMMUFD_OBJ_FAULT: A queue of page requests
 * @IOMMUFD_OBJ_VIOMMU: A guest's slice of an IOMMU
 * @IOMMUFD_OBJ_VDEVICE: A device as a guest's IOMMU driver sees it
 * @IOMMUFD_OBJ_VEVENTQ: A queue of events of a vIOMMU
 * @IOMMUFD_OBJ_HW_QUEUE: A queue that hardware reads from guest memory
 * @IOMMUFD_OBJ_SELFTEST: A mock device of the selftest
 * @IOMMUFD_OBJ_MAX: Number of types
 */
enum iommufd_object_type {
	IOMMUFD_OBJ_NONE,
	IOMMUFD_OBJ_ANY = IOMMUFD_OBJ_NONE,
	IOMMUFD_OBJ_DEVICE,
	IOMMUFD_OBJ_HWPT_PAGING,
	IOMMUFD_OBJ_HWPT_NESTED,
	IOMMUFD_OBJ_IOAS,
	IOMMUFD_OBJ_ACCESS,
	IOMMUFD_OBJ_FAULT,
	IOMMUFD_OBJ_VIOMMU,
	IOMMUFD_OBJ_VDEVICE,
	IOMMUFD_OBJ_VEVENTQ,
	IOMMUFD_OBJ_HW_QUEUE,
#ifdef CONFIG_IOMMUFD_TEST
	IOMMUFD_OBJ_SELFTEST,
#endif
	IOMMUFD_OBJ_MAX,
};

/**
 * struct iommufd_object - First member of everything that has an ID
 * @wait_cnt: Short references, of calls that are running. Destruction waits
 *            until they are gone, so they must end by themselves soon
 * @users: Long references, of other objects, drivers and files. Destruction is
 *         refused while there are any but the ID's own
 * @type: What the object is
 * @id: Its ID within the file
 */
struct iommufd_object {
	refcount_t wait_cnt;
	refcount_t users;
	enum iommufd_object_type type;
	unsigned int id;
};

/**
 * iommufd_device_bind() - Take ownership of a physical device
 * @ictx: File that the device shall belong to
 * @dev: The device; its DMA must be under the control of its IOMMU
 * @id: Returns the ID of the device object
 *
 * DMA of the device is blocked until it is attached. The whole isolation group
 * belongs to @ictx as long as one of its devices is bound. A reference on the
 * file is held until iommufd_device_unbind().
 *
 * Context: Process context, may sleep.
 * Return: The bound device, or an ERR_PTR: -ENODEV without an isolation group,
 * -EINVAL if DMA is not cache coherent, -EPERM if interrupts are not isolated
 * and the administrator did not allow that, -EBUSY if another owner or a kernel
 * driver has the group, -ENOMEM.
 */
struct iommufd_device *iommufd_device_bind(struct iommufd_ctx *ictx,
					   struct device *dev, u32 *id);
/**
 * iommufd_device_unbind() - Give a device back
 * @idev: A device that is attached to nothing any more; gone on return
 *
 * A vDEVICE that still stands for the device is destroyed.
 *
 * Context: Process context, may sleep until running calls let go of the device.
 */
void iommufd_device_unbind(struct iommufd_device *idev);

/**
 * iommufd_device_attach() - Let a device, or one PASID of it, do DMA
 * @idev: A bound device
 * @pasid: PASID, or IOMMU_NO_PASID for requests without one
 * @pt_id: In: an IOAS or a page table. Out: the page table that was attached
 *
 * Context: Process context, may sleep.
 * Return: 0, or a negative errno: -ENOENT if @pt_id is absent, -EINVAL if it is
 * of another type, does not suit the device, or differs from what the rest of
 * the group uses, -EBUSY if the device is attached already, -EADDRINUSE if a
 * reserved region of the device is mapped or allowed, -ENOMEM.
 */
int iommufd_device_attach(struct iommufd_device *idev, ioasid_t pasid,
			  u32 *pt_id);
/**
 * iommufd_device_replace() - Change the page table without a gap
 * @idev: An attached device
 * @pasid: PASID, or IOMMU_NO_PASID for requests without one
 * @pt_id: In: an IOAS or a page table. Out: the page table that was attached
 *
 * Applies to all devices of the group. On failure everything stays as it was.
 *
 * Context: Process context, may sleep.
 * Return: 0, also if nothing changed, or a negative errno as for
 * iommufd_device_attach(); -EINVAL also if the device is not attached.
 */
int iommufd_device_replace(struct iommufd_device *idev, ioasid_t pasid,
			   u32 *pt_id);
/**
 * iommufd_device_detach() - Block the DMA of a device or one of its PASIDs
 * @idev: An attached device
 * @pasid: What was given to iommufd_device_attach()
 *
 * Page requests that nobody answered are ended. A page table that an attach to
 * an IOAS made is destroyed with its last user.
 *
 * Context: Process context, may sleep.
 */
void iommufd_device_detach(struct iommufd_device *idev, ioasid_t pasid);

/**
 * iommufd_device_to_ictx() - The file a device is bound to
 * @idev: A bound device
 *
 * Return: The context, without a reference; valid until unbind.
 */
struct iommufd_ctx *iommufd_device_to_ictx(struct iommufd_device *idev);
/**
 * iommufd_device_to_id() - The ID of a device
 * @idev: A bound device
 *
 * Return: The ID of the device object.
 */
u32 iommufd_device_to_id(struct iommufd_device *idev);

/**
 * struct iommufd_access_ops - What the owner of an access tells about itself
 * @needs_pin_pages: It will pin pages, so mappings must be page aligned
 * @unmap: Called when @length bytes from @iova on are about to disappear, which
 *         is a whole mapping. Must have unpinned every page in there when it
 *         returns, and may only use the access to that end. When the access
 *         leaves an IOAS, by detach, replace or destroy, it is called for each
 *         mapping that has pins, be they its own or another access's; never for
 *         the whole address space
 */
struct iommufd_access_ops {
	u8 needs_pin_pages : 1;
	void (*unmap)(void *data, unsigned long iova, unsigned long length);
};

/**
 * DOC: Flags of an access
 *
 * IOMMUFD_ACCESS_RW_READ copies out of the IOAS or pins for reading only,
 * IOMMUFD_ACCESS_RW_WRITE is the opposite direction. A caller of
 * iommufd_access_rw() that has no mm of its own sets IOMMUFD_ACCESS_RW_KTHREAD,
 * so that the mm of the mapping can be borrowed. __IOMMUFD_ACCESS_RW_SLOW_PATH
 * makes the selftest go through pinned pages.
 */
enum {
	IOMMUFD_ACCESS_RW_READ = 0,
	IOMMUFD_ACCESS_RW_WRITE = 1 << 0,
	IOMMUFD_ACCESS_RW_KTHREAD = 1 << 1,

	__IOMMUFD_ACCESS_RW_SLOW_PATH = 1 << 2,
};

/**
 * iommufd_access_create() - Make a way into IOASs for a kernel driver
 * @ictx: File that the access shall belong to
 * @ops: The driver's callbacks
 * @data: Given to the callbacks
 * @id: Returns the ID of the access object
 *
 * Context: Process context, may sleep.
 * Return: The access, attached to nothing yet, or ERR_PTR(-ENOMEM).
 */
struct iommufd_access *
iommufd_access_create(struct iommufd_ctx *ictx,
		      const struct iommufd_access_ops *ops, void *data, u32 *id);
/**
 * iommufd_access_destroy() - Remove an access
 * @access: From iommufd_access_create(), gone on return
 *
 * Detaches it, and waits for callbacks that are running.
 *
 * Context: Process context, may sleep. Not from the driver's unmap callback.
 */
void iommufd_access_destroy(struct iommufd_access *access);
/**
 * iommufd_access_attach() - Connect an access to an IOAS
 * @access: An access that is not attached
 * @ioas_id: The IOAS
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL if it is attached already, -ENOENT if there is no such
 * IOAS, -EADDRINUSE if mappings violate the alignment the access needs.
 */
int iommufd_access_attach(struct iommufd_access *access, u32 ioas_id);
/**
 * iommufd_access_replace() - Connect an access to a different IOAS
 * @access: An attached access
 * @ioas_id: The new IOAS
 *
 * The driver's unmap callback is called for the mappings with pins in the old one.
 *
 * Context: Process context, may sleep.
 * Return: 0, also if nothing changed; -ENOENT if the access is not attached or
 * there is no such IOAS, -EBUSY if a detach is going on, -EADDRINUSE as above.
 */
int iommufd_access_replace(struct iommufd_access *access, u32 ioas_id);
/**
 * iommufd_access_detach() - Disconnect an access from its IOAS
 * @access: An attached access
 *
 * The driver's unmap callback is called for the mappings with pins. If another
 * thread is replacing the IOAS, it is attached to nothing when that has ended.
 *
 * Context: Process context, may sleep. Not from the driver's unmap callback.
 */
void iommufd_access_detach(struct iommufd_access *access);

/**
 * iommufd_ctx_get() - Take one more reference on a file
 * @ictx: A context that the caller knows to be open
 *
 * Drop it with iommufd_ctx_put().
 */
void iommufd_ctx_get(struct iommufd_ctx *ictx);

/**
 * struct iommufd_viommu - A guest's slice of a physical IOMMU
 * @obj: Its ID and lifetime
 * @ictx: File that it belongs to
 * @iommu_dev: The physical IOMMU
 * @hwpt: Parent table: the guest's memory
 * @ops: The driver's, set by viommu_init()
 * @vdevs: struct iommufd_vdevice by the number the guest uses
 * @veventqs: Event queues, protected by @veventqs_rwsem
 * @veventqs_rwsem: Held for reading while an event is reported
 * @type: What user space asked for
 *
 * Drivers put it first in a structure of their own, see VIOMMU_STRUCT_SIZE().
 */
struct iommufd_viommu {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct iommu_device *iommu_dev;
	struct iommufd_hwpt_paging *hwpt;

	const struct iommufd_viommu_ops *ops;

	struct xarray vdevs;
	struct list_head veventqs;
	struct rw_semaphore veventqs_rwsem;

	enum iommu_viommu_type type;
};

/**
 * struct iommufd_vdevice - A device as a guest's IOMMU driver sees it
 * @obj: Its ID and lifetime
 * @viommu: The guest's IOMMU
 * @idev: The bound device
 * @virt_id: The guest's number of the device: stream ID, device ID, requester ID
 * @destroy: Set by the driver, when its vdevice_init() has something to undo
 */
struct iommufd_vdevice {
	struct iommufd_object obj;
	struct iommufd_viommu *viommu;
	struct iommufd_device *idev;

	u64 virt_id;

	void (*destroy)(struct iommufd_vdevice *vdev);
};

/**
 * struct iommufd_hw_queue - A queue that hardware reads from guest memory
 * @obj: Its ID and lifetime
 * @viommu: The guest's IOMMU
 * @access: Not used; iommufd pins the queue's memory without one
 * @base_addr: Guest physical address of the memory
 * @length: Its length in bytes
 * @type: What user space asked for
 * @destroy: Set by the driver, when its init function has something to undo
 */
struct iommufd_hw_queue {
	struct iommufd_object obj;
	struct iommufd_viommu *viommu;
	struct iommufd_access *access;

	u64 base_addr;
	size_t length;

	enum iommu_hw_queue_type type;

	void (*destroy)(struct iommufd_hw_queue *hw_queue);
};

/**
 * struct iommufd_viommu_ops - What a driver does for its vIOMMUs
 * @destroy: Undo viommu_init(). The structure itself belongs to iommufd
 * @alloc_domain_nested: Make a nested domain over the vIOMMU's parent table from
 *    @user_data, whose format is part of the user API. Returns it complete, or
 *    an ERR_PTR
 * @cache_invalidate: Carry out the array's requests in order, and leave in
 *    entry_num how many were completed
 * @vdevice_size: From VDEVICE_STRUCT_SIZE(), or 0 for the plain structure
 * @vdevice_init: Prepare the driver's part of a vDEVICE, whose other members are
 *    set already. May set its destroy callback
 * @get_hw_queue_size: From HW_QUEUE_STRUCT_SIZE(), or 0 when there are no queues
 *    of @queue_type
 * @hw_queue_init_phys: Start the queue numbered @index. Its memory begins at
 *    physical address @base_addr_pa and is contiguous and pinned. May set the
 *    queue's destroy callback
 */
struct iommufd_viommu_ops {
	void (*destroy)(struct iommufd_viommu *viommu);
	struct iommu_domain *(*alloc_domain_nested)(struct iommufd_viommu *viommu,
						    u32 flags,
						    const struct iommu_user_data *user_data);
	int (*cache_invalidate)(struct iommufd_viommu *viommu,
				struct iommu_user_data_array *array);
	const size_t vdevice_size;
	int (*vdevice_init)(struct iommufd_vdevice *vdev);
	size_t (*get_hw_queue_size)(struct iommufd_viommu *viommu,
				    enum iommu_hw_queue_type queue_type);
	int (*hw_queue_init_phys)(struct iommufd_hw_queue *hw_queue, u32 index,
				  phys_addr_t base_addr_pa);
};

#if IS_ENABLED(CONFIG_IOMMUFD)
/**
 * iommufd_ctx_from_file() - The context of an open file
 * @file: Any file
 *
 * Return: The context with a reference, or ERR_PTR(-EBADFD) for other files.
 */
struct iommufd_ctx *iommufd_ctx_from_file(struct file *file);
/**
 * iommufd_ctx_from_fd() - The context behind a file descriptor
 * @fd: Any file descriptor of the calling process
 *
 * Return: The context with a reference, ERR_PTR(-EBADF) if nothing is open
 * there, or ERR_PTR(-EBADFD) if it is something else.
 */
struct iommufd_ctx *iommufd_ctx_from_fd(int fd);
/**
 * iommufd_ctx_put() - Drop a reference on a file
 * @ictx: From iommufd_ctx_get() or one of the lookups
 */
void iommufd_ctx_put(struct iommufd_ctx *ictx);
/**
 * iommufd_ctx_has_group() - Whether a device of a group is bound to a file
 * @ictx: The file
 * @group: The isolation group
 *
 * Return: True if at least one is.
 */
bool iommufd_ctx_has_group(struct iommufd_ctx *ictx, struct iommu_group *group);

/**
 * iommufd_access_pin_pages() - Pin what is mapped at a range of IOVA
 * @access: An attached access with needs_pin_pages
 * @iova: First address
 * @length: Bytes; partial pages at both ends count as whole ones
 * @out_pages: Filled with a page for each PAGE_SIZE of the range
 * @flags: IOMMUFD_ACCESS_RW_WRITE if the pages will be written
 *
 * Undo with iommufd_access_unpin_pages() and the very same range.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL for an empty range, misaligned mappings, memory without
 * pages or while the range is being unmapped; -EOVERFLOW if it wraps; -ENOENT if
 * the access is not attached or there is a hole; -EPERM for writing to a
 * read-only mapping; -EFAULT, -ENOMEM from pinning. Nothing is pinned on failure.
 */
int iommufd_access_pin_pages(struct iommufd_access *access, unsigned long iova,
			     unsigned long length, struct page **out_pages,
			     unsigned int flags);
/**
 * iommufd_access_unpin_pages() - Undo iommufd_access_pin_pages()
 * @access: The same access
 * @iova: The same address
 * @length: The same length
 *
 * Context: Process context, may sleep. Allowed in the unmap callback.
 */
void iommufd_access_unpin_pages(struct iommufd_access *access,
				unsigned long iova, unsigned long length);
/**
 * iommufd_access_rw() - Copy between a buffer and a range of IOVA
 * @access: An attached access
 * @iova: First address
 * @data: Kernel buffer
 * @len: Bytes
 * @flags: Direction, and how the memory may be reached
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL, -EOVERFLOW, -ENOENT, -EPERM as for
 * iommufd_access_pin_pages(); -EFAULT. Bytes in front of the one that failed may
 * have been copied.
 */
int iommufd_access_rw(struct iommufd_access *access, unsigned long iova,
		      void *data, size_t len, unsigned int flags);
#else
static inline struct iommufd_ctx *iommufd_ctx_from_file(struct file *file)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void iommufd_ctx_put(struct iommufd_ctx *ictx)
{
}

static inline int iommufd_access_pin_pages(struct iommufd_access *access,
					   unsigned long iova,
					   unsigned long length,
					   struct page **out_pages,
					   unsigned int flags)
{
	return -EOPNOTSUPP;
}

static inline void iommufd_access_unpin_pages(struct iommufd_access *access,
					      unsigned long iova,
					      unsigned long length)
{
}

static inline int iommufd_access_rw(struct iommufd_access *access,
				    unsigned long iova, void *data, size_t len,
				    unsigned int flags)
{
	return -EOPNOTSUPP;
}
#endif

#if IS_ENABLED(CONFIG_IOMMUFD_DRIVER_CORE)
/* Behind iommufd_hw_queue_depend(), iommufd_viommu_alloc_mmap() and so on */
int _iommufd_object_depend(struct iommufd_object *obj_dependent,
			   struct iommufd_object *obj_depended);
void _iommufd_object_undepend(struct iommufd_object *obj_dependent,
			      struct iommufd_object *obj_depended);
int _iommufd_alloc_mmap(struct iommufd_ctx *ictx, struct iommufd_object *owner,
			phys_addr_t mmio_addr, size_t length,
			unsigned long *offset);
void _iommufd_destroy_mmap(struct iommufd_ctx *ictx,
			   struct iommufd_object *owner, unsigned long offset);
/**
 * iommufd_vdevice_to_device() - The physical device of a vDEVICE
 * @vdev: The vDEVICE
 *
 * Return: The device, valid as long as the vDEVICE is.
 */
struct device *iommufd_vdevice_to_device(struct iommufd_vdevice *vdev);
/**
 * iommufd_viommu_find_dev() - Look up a device by the guest's number
 * @viommu: The vIOMMU
 * @vdev_id: Number that the guest uses
 *
 * Context: The caller holds the xarray lock of the vIOMMU's vdevs, and may use
 * the device until it drops that.
 * Return: The device, or NULL if there is none of this number.
 */
struct device *iommufd_viommu_find_dev(struct iommufd_viommu *viommu,
				       unsigned long vdev_id);
/**
 * iommufd_viommu_get_vdev_id() - Look up the guest's number of a device
 * @viommu: The vIOMMU
 * @dev: The device
 * @vdev_id: Returns the number
 *
 * Context: Process context; takes the xarray lock of the vIOMMU's vdevs.
 * Return: 0, or -ENOENT if the device has no vDEVICE in this vIOMMU.
 */
int iommufd_viommu_get_vdev_id(struct iommufd_viommu *viommu,
			       struct device *dev, unsigned long *vdev_id);
/**
 * iommufd_viommu_report_event() - Send an event to a guest
 * @viommu: The vIOMMU
 * @type: Which of its queues
 * @event_data: The event, in the format of the user API
 * @data_len: Its length in bytes, the same for all events of a type
 *
 * Context: May sleep to take a rwsem, so threaded interrupt handlers at most.
 * Return: 0; -EOPNOTSUPP if user space has not made a queue of this type,
 * -EINVAL for an empty event. An event that finds the queue full, or no memory,
 * is lost; user space learns that from the queue, and the return value is 0.
 */
int iommufd_viommu_report_event(struct iommufd_viommu *viommu,
				enum iommu_veventq_type type, void *event_data,
				size_t data_len);
#else
static inline int _iommufd_object_depend(struct iommufd_object *obj_dependent,
					 struct iommufd_object *obj_depended)
{
	return -EOPNOTSUPP;
}

static inline void
_iommufd_object_undepend(struct iommufd_object *obj_dependent,
			 struct iommufd_object *obj_depended)
{
}

static inline int _iommufd_alloc_mmap(struct iommufd_ctx *ictx,
				      struct iommufd_object *owner,
				      phys_addr_t mmio_addr, size_t length,
				      unsigned long *offset)
{
	return -EOPNOTSUPP;
}

static inline void _iommufd_destroy_mmap(struct iommufd_ctx *ictx,
					 struct iommufd_object *owner,
					 unsigned long offset)
{
}

static inline struct device *
iommufd_vdevice_to_device(struct iommufd_vdevice *vdev)
{
	return NULL;
}

static inline struct device *
iommufd_viommu_find_dev(struct iommufd_viommu *viommu, unsigned long vdev_id)
{
	return NULL;
}

static inline int iommufd_viommu_get_vdev_id(struct iommufd_viommu *viommu,
					     struct device *dev,
					     unsigned long *vdev_id)
{
	return -ENOENT;
}

static inline int iommufd_viommu_report_event(struct iommufd_viommu *viommu,
					      enum iommu_veventq_type type,
					      void *event_data, size_t data_len)
{
	return -EOPNOTSUPP;
}
#endif

/*
 * Sizes of the structures in which drivers embed those above. They build only if
 * the member has the right type and is the first.
 */
#define VIOMMU_STRUCT_SIZE(drv_struct, member)                                 \
	(sizeof(drv_struct) +                                                  \
	 BUILD_BUG_ON_ZERO(offsetof(drv_struct, member)) +                     \
	 BUILD_BUG_ON_ZERO(!__same_type(struct iommufd_viommu,                 \
					((drv_struct *)NULL)->member)))

#define VDEVICE_STRUCT_SIZE(drv_struct, member)                                \
	(sizeof(drv_struct) +                                                  \
	 BUILD_BUG_ON_ZERO(offsetof(drv_struct, member)) +                     \
	 BUILD_BUG_ON_ZERO(!__same_type(struct iommufd_vdevice,                \
					((drv_struct *)NULL)->member)))

#define HW_QUEUE_STRUCT_SIZE(drv_struct, member)                               \
	(sizeof(drv_struct) +                                                  \
	 BUILD_BUG_ON_ZERO(offsetof(drv_struct, member)) +                     \
	 BUILD_BUG_ON_ZERO(!__same_type(struct iommufd_hw_queue,               \
					((drv_struct *)NULL)->member)))

/* Type check of the two macros below: both must embed a hardware queue. */
static inline int iommufd_hw_queue_link(struct iommufd_hw_queue *dependent,
					struct iommufd_hw_queue *depended)
{
	if (WARN_ON_ONCE(dependent->viommu != depended->viommu))
		return -EINVAL;
	return _iommufd_object_depend(&dependent->obj, &depended->obj);
}

static inline void iommufd_hw_queue_unlink(struct iommufd_hw_queue *dependent,
					   struct iommufd_hw_queue *depended)
{
	WARN_ON_ONCE(dependent->viommu != depended->viommu);
	_iommufd_object_undepend(&dependent->obj, &depended->obj);
}

/**
 * iommufd_hw_queue_depend() - Keep a queue until another one is gone
 * @dependent: Driver's structure of the queue that needs the other
 * @depended: Driver's structure of the queue that is needed, of the same type
 * @member: Name of the struct iommufd_hw_queue in both
 *
 * From now on the user cannot destroy @depended. Undone by
 * iommufd_hw_queue_undepend().
 *
 * Return: 0; -EINVAL for queues of two vIOMMUs, -ENOENT if @depended is ending.
 */
#define iommufd_hw_queue_depend(dependent, depended, member)                   \
	({                                                                     \
		static_assert(__same_type(*(dependent), *(depended)));         \
		iommufd_hw_queue_link(&(dependent)->member,                    \
				      &(depended)->member);                    \
	})

/**
 * iommufd_hw_queue_undepend() - Undo iommufd_hw_queue_depend()
 * @dependent: As before
 * @depended: As before
 * @member: As before
 */
#define iommufd_hw_queue_undepend(dependent, depended, member)                 \
	({                                                                     \
		static_assert(__same_type(*(dependent), *(depended)));         \
		iommufd_hw_queue_unlink(&(dependent)->member,                  \
					&(depended)->member);                  \
	})

/**
 * iommufd_viommu_alloc_mmap() - Let user space map registers of a vIOMMU
 * @viommu: Owner of the registers
 * @mmio_addr: Physical address, page aligned
 * @length: Bytes, a multiple of the page size
 * @offset: Returns the offset at which mmap() of the iommufd finds them; the
 *          driver hands it to user space
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL if misaligned or empty, -ENOMEM if no offset is left.
 */
static inline int iommufd_viommu_alloc_mmap(struct iommufd_viommu *viommu,
					    phys_addr_t mmio_addr,
					    size_t length,
					    unsigned long *offset)
{
	return _iommufd_alloc_mmap(viommu->ictx, &viommu->obj, mmio_addr,
				   length, offset);
}

/**
 * iommufd_viommu_destroy_mmap() - Undo iommufd_viommu_alloc_mmap()
 * @viommu: Owner of the registers
 * @offset: What that function returned
 *
 * Mappings that user space made keep the vIOMMU alive, so none is left when the
 * driver's destroy callback calls this.
 *
 * Context: Process context, may sleep.
 */
static inline void iommufd_viommu_destroy_mmap(struct iommufd_viommu *viommu,
					       unsigned long offset)
{
	_iommufd_destroy_mmap(viommu->ictx, &viommu->obj, offset);
}
#endif
