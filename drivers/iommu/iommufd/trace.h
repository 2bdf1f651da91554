/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tracepoints, as events/iommufd in tracefs.  The process of a line is that of the call;
 * IDs are those of its /dev/iommu.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommufd

#if !defined(__IOMMUFD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __IOMMUFD_TRACE_H

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

/**
 * iommufd_map - a range was mapped, by whatever call
 * @ioas: ID of the IOAS
 * @first: first IOVA
 * @last: last IOVA, inclusive
 * @prot: IOMMU_READ, IOMMU_WRITE and IOMMU_CACHE of the IOMMU core
 */
TRACE_EVENT(iommufd_map,
	    TP_PROTO(u32 ioas, unsigned long first, unsigned long last, int prot),
	    TP_ARGS(ioas, first, last, prot),
	    TP_STRUCT__entry(__field(u32, ioas)
			     __field(int, prot)
			     __field(unsigned long, first)
			     __field(unsigned long, last)),
	    TP_fast_assign(__entry->ioas = ioas;
			   __entry->prot = prot;
			   __entry->first = first;
			   __entry->last = last;),
	    TP_printk("ioas=%u iova=0x%lx-0x%lx prot=%s", __entry->ioas,
		      __entry->first, __entry->last,
		      __print_flags(__entry->prot, "|", { IOMMU_READ, "read" },
				    { IOMMU_WRITE, "write" }, { IOMMU_CACHE, "cache" })));

/**
 * iommufd_unmap - areas were removed, by whatever call
 * @ioas: ID of the IOAS
 * @first: first IOVA of the range
 * @last: last IOVA of the range, inclusive
 * @unmapped: bytes removed
 */
TRACE_EVENT(iommufd_unmap,
	    TP_PROTO(u32 ioas, unsigned long first, unsigned long last,
		     unsigned long unmapped),
	    TP_ARGS(ioas, first, last, unmapped),
	    TP_STRUCT__entry(__field(u32, ioas)
			     __field(unsigned long, first)
			     __field(unsigned long, last)
			     __field(unsigned long, unmapped)),
	    TP_fast_assign(__entry->ioas = ioas;
			   __entry->first = first;
			   __entry->last = last;
			   __entry->unmapped = unmapped;),
	    TP_printk("ioas=%u iova=0x%lx-0x%lx unmapped=0x%lx", __entry->ioas,
		      __entry->first, __entry->last, __entry->unmapped));

DECLARE_EVENT_CLASS(iommufd_attachment,
		    TP_PROTO(const struct device *dev, ioasid_t pasid, u32 hwpt),
		    TP_ARGS(dev, pasid, hwpt),
		    TP_STRUCT__entry(__string(device, dev_name(dev))
				     __field(u32, pasid)
				     __field(u32, hwpt)),
		    TP_fast_assign(__assign_str(device);
				   __entry->pasid = pasid;
				   __entry->hwpt = hwpt;),
		    TP_printk("device=%s pasid=%u hwpt=%u", __get_str(device), __entry->pasid,
			      __entry->hwpt));

/**
 * iommufd_attach - a device was attached to a page table
 * @dev: the device
 * @pasid: PASID; 0 for the device itself
 * @hwpt: ID of the page table
 */
DEFINE_EVENT(iommufd_attachment, iommufd_attach,
	     TP_PROTO(const struct device *dev, ioasid_t pasid, u32 hwpt),
	     TP_ARGS(dev, pasid, hwpt));

/**
 * iommufd_replace - a device and its group changed to another page table
 * @dev: the device that was asked for
 * @pasid: PASID; 0 for the devices themselves
 * @hwpt: ID of the new page table
 */
DEFINE_EVENT(iommufd_attachment, iommufd_replace,
	     TP_PROTO(const struct device *dev, ioasid_t pasid, u32 hwpt),
	     TP_ARGS(dev, pasid, hwpt));

/**
 * iommufd_detach - a device was detached
 * @dev: the device
 * @pasid: PASID; 0 for the device itself
 * @hwpt: ID of the page table it was attached to
 */
DEFINE_EVENT(iommufd_attachment, iommufd_detach,
	     TP_PROTO(const struct device *dev, ioasid_t pasid, u32 hwpt),
	     TP_ARGS(dev, pasid, hwpt));

/**
 * iommufd_fault - page requests came in for a fault queue
 * @dev: device that sent them
 * @last: the last request of the group
 * @fault: ID of the fault queue
 */
TRACE_EVENT(iommufd_fault,
	    TP_PROTO(const struct device *dev, const struct iommu_fault_page_request *last,
		     u32 fault),
	    TP_ARGS(dev, last, fault),
	    TP_STRUCT__entry(__string(device, dev_name(dev))
			     __field(u64, addr)
			     __field(u32, fault)
			     __field(u32, pasid)
			     __field(u32, grpid)
			     __field(u32, perm)),
	    TP_fast_assign(__assign_str(device);
			   __entry->addr = last->addr;
			   __entry->fault = fault;
			   __entry->pasid = last->pasid;
			   __entry->grpid = last->grpid;
			   __entry->perm = last->perm;),
	    TP_printk("device=%s pasid=%u group=%u addr=0x%llx perm=%s fault=%u",
		      __get_str(device), __entry->pasid, __entry->grpid, __entry->addr,
		      __print_flags(__entry->perm, "|", { IOMMU_FAULT_PERM_READ, "read" },
				    { IOMMU_FAULT_PERM_WRITE, "write" },
				    { IOMMU_FAULT_PERM_EXEC, "exec" },
				    { IOMMU_FAULT_PERM_PRIV, "priv" }),
		      __entry->fault));

/**
 * iommufd_invalidate - a driver was given entries of IOMMU_HWPT_INVALIDATE
 * @obj: ID of the nested page table or vIOMMU
 * @type: type of the entries
 * @asked: entries the caller gave
 * @done: entries that were completed
 * @rc: 0 or a negative errno
 */
TRACE_EVENT(iommufd_invalidate,
	    TP_PROTO(u32 obj, u32 type, u32 asked, u32 done, int rc),
	    TP_ARGS(obj, type, asked, done, rc),
	    TP_STRUCT__entry(__field(u32, obj)
			     __field(u32, type)
			     __field(u32, asked)
			     __field(u32, done)
			     __field(int, rc)),
	    TP_fast_assign(__entry->obj = obj;
			   __entry->type = type;
			   __entry->asked = asked;
			   __entry->done = done;
			   __entry->rc = rc;),
	    TP_printk("id=%u type=%u done=%u of=%u rc=%d", __entry->obj, __entry->type,
		      __entry->done, __entry->asked, __entry->rc));

/**
 * iommufd_refused - a call on /dev/iommu or a VFIO file failed
 * @call: its name
 * @rc: negative errno
 * @why: name of the reason
 * @text: sentence with the numbers that decided
 */
TRACE_EVENT(iommufd_refused,
	    TP_PROTO(const char *call, int rc, const char *why, const char *text),
	    TP_ARGS(call, rc, why, text),
	    TP_STRUCT__entry(__string(call, call)
			     __string(why, why)
			     __string(text, text)
			     __field(int, rc)),
	    TP_fast_assign(__assign_str(call);
			   __assign_str(why);
			   __assign_str(text);
			   __entry->rc = rc;),
	    TP_printk("%s errno=%d reason=%s %s", __get_str(call), -__entry->rc,
		      __get_str(why), __get_str(text)));
#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
