/* SPDX-License-Identifier: MIT */
/*
 * What NVM Express 1.4 puts on the wire: registers, commands, status codes, data structures.
 * Numbers only; section numbers are those of the 1.4 base specification.
 */
#ifndef NVME_SPEC_H
#define NVME_SPEC_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "wire structures are little-endian");

/* 3.1: registers in BAR0. */
enum nvme_reg {
	NVME_REG_CAP = 0x00,
	NVME_REG_VS = 0x08,
	NVME_REG_INTMS = 0x0c,
	NVME_REG_INTMC = 0x10,
	NVME_REG_CC = 0x14,
	NVME_REG_CSTS = 0x1c,
	NVME_REG_AQA = 0x24,
	NVME_REG_ASQ = 0x28,
	NVME_REG_ACQ = 0x30,
	NVME_REG_DOORBELLS = 0x1000,
};

#define NVME_VS_1_4 0x00010400u

#define NVME_CC_EN	   (1u << 0)
#define NVME_CC_CSS(cc)	   ((cc) >> 4 & 7)
#define NVME_CC_MPS(cc)	   ((cc) >> 7 & 15)
#define NVME_CC_AMS(cc)	   ((cc) >> 11 & 7)
#define NVME_CC_SHN(cc)	   ((cc) >> 14 & 3)
#define NVME_CC_IOSQES(cc) ((cc) >> 16 & 15)
#define NVME_CC_IOCQES(cc) ((cc) >> 20 & 15)
#define NVME_CC_WRITABLE   0x00fffff1u

#define NVME_CSTS_RDY	    (1u << 0)
#define NVME_CSTS_CFS	    (1u << 1)
#define NVME_CSTS_SHST_BUSY (1u << 2)
#define NVME_CSTS_SHST_DONE (2u << 2)
#define NVME_CSTS_SHST_MASK (3u << 2)

#define NVME_SQE_LEN_LG2 6
#define NVME_CQE_LEN_LG2 4

/* 4.2: a submission queue entry. */
struct nvme_cmd {
	uint8_t opcode;
	uint8_t flags; /* FUSE in bits 1:0, PSDT in 7:6 */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_cmd) == 64, "submission queue entry");

#define NVME_CMD_FUSE(flags) ((flags)&3)
#define NVME_CMD_PSDT(flags) ((flags) >> 6)

#define NVME_NSID_ALL 0xffffffffu

enum nvme_admin_opcode {
	NVME_ADM_DELETE_SQ = 0x00,
	NVME_ADM_CREATE_SQ = 0x01,
	NVME_ADM_GET_LOG = 0x02,
	NVME_ADM_DELETE_CQ = 0x04,
	NVME_ADM_CREATE_CQ = 0x05,
	NVME_ADM_IDENTIFY = 0x06,
	NVME_ADM_ABORT = 0x08,
	NVME_ADM_SET_FEATURES = 0x09,
	NVME_ADM_GET_FEATURES = 0x0a,
	NVME_ADM_ASYNC_EVENT = 0x0c,
	NVME_ADM_DOORBELL_BUFFER = 0x7c,
};

enum nvme_io_opcode {
	NVME_IO_FLUSH = 0x00,
	NVME_IO_WRITE = 0x01,
	NVME_IO_READ = 0x02,
	NVME_IO_COMPARE = 0x05,
	NVME_IO_WRITE_ZEROES = 0x08,
	NVME_IO_DSM = 0x09,
};

#define NVME_RW_DEAC	   (1u << 25) /* Write Zeroes, CDW12 */
#define NVME_RW_PRINFO(dw) ((dw) >> 26 & 15)
#define NVME_RW_FUA	   (1u << 30)
#define NVME_DSM_AD	   (1u << 2)

/* 4.6.1: status codes, as (type << 8 | code); "do not retry" beside them. */
enum nvme_status {
	NVME_SUCCESS = 0x000,
	NVME_INVALID_OPCODE = 0x001,
	NVME_INVALID_FIELD = 0x002,
	NVME_DATA_TRANSFER_ERROR = 0x004,
	NVME_INTERNAL_ERROR = 0x006,
	NVME_ABORT_REQUESTED = 0x007,
	NVME_INVALID_NAMESPACE = 0x00b,
	NVME_COMMAND_SEQUENCE = 0x00c,
	NVME_PRP_OFFSET_INVALID = 0x013,
	NVME_WRITE_PROTECTED = 0x020,
	NVME_LBA_OUT_OF_RANGE = 0x080,
	NVME_CAPACITY_EXCEEDED = 0x081,
	NVME_CQ_INVALID = 0x100,
	NVME_QID_INVALID = 0x101,
	NVME_QUEUE_SIZE_INVALID = 0x102,
	NVME_AER_LIMIT = 0x105,
	NVME_VECTOR_INVALID = 0x108,
	NVME_LOG_PAGE_INVALID = 0x109,
	NVME_QUEUE_DELETION_INVALID = 0x10c,
	NVME_FEATURE_NOT_SAVEABLE = 0x10d,
	NVME_FEATURE_NOT_NS = 0x10f,
	NVME_WRITE_FAULT = 0x280,
	NVME_READ_ERROR = 0x281,
	NVME_COMPARE_FAILURE = 0x285,
	NVME_DNR = 0x4000,
};

/* 5.2: asynchronous events: types, and what they say of errors. */
enum nvme_event {
	NVME_EVENT_ERROR = 0,
	NVME_EVENT_SMART = 1,
	NVME_EVENT_TYPES = 2,
	NVME_EVENT_ERROR_DB_REGISTER = 0,
	NVME_EVENT_ERROR_DB_VALUE = 1,
	NVME_EVENT_ERROR_INTERNAL = 3,
	NVME_EVENT_SMART_TEMPERATURE = 1,
};

enum nvme_log_id {
	NVME_LOG_ERROR = 1,
	NVME_LOG_SMART = 2,
	NVME_LOG_FIRMWARE = 3,
};

/* 5.14.1.1: one entry of the error log. */
struct nvme_error_entry {
	uint64_t count;
	uint16_t sqid, cid;
	uint16_t status; /* as in a completion, phase bit included */
	uint16_t param;
	uint64_t lba;
	uint32_t nsid;
	uint8_t vendor, trtype, rsvd30[2];
	uint64_t specific;
	uint16_t tr_specific;
	uint8_t rsvd42[22];
};
_Static_assert(sizeof(struct nvme_error_entry) == 64, "error log entry");

/* 5.14.1.2: SMART / health. 128-bit counters, of which we fill the lower half. */
struct nvme_smart {
	uint8_t critical;
	uint8_t temperature[2]; /* kelvin; unaligned */
	uint8_t spare, spare_threshold, used;
	uint8_t rsvd6[26];
	uint64_t data_units_read[2];
	uint64_t data_units_written[2];
	uint64_t host_reads[2];
	uint64_t host_writes[2];
	uint64_t busy_minutes[2];
	uint64_t power_cycles[2];
	uint64_t power_on_hours[2];
	uint64_t unsafe_shutdowns[2];
	uint64_t media_errors[2];
	uint64_t error_entries[2];
	uint8_t rsvd192[320];
};
_Static_assert(sizeof(struct nvme_smart) == 512, "SMART log");

/* 5.15.2.2: Identify Controller, the fields that are not zero. */
struct nvme_id_ctrl {
	uint16_t vid, ssvid;
	char sn[20], mn[40], fr[8];
	uint8_t rab;
	uint8_t ieee[3];
	uint8_t cmic, mdts;
	uint16_t cntlid;
	uint32_t ver, rtd3r, rtd3e, oaes, ctratt;
	uint8_t rsvd100[11];
	uint8_t cntrltype;
	uint8_t rsvd112[144];
	uint16_t oacs;
	uint8_t acl, aerl, frmw, lpa, elpe, npss, avscc, apsta;
	uint16_t wctemp, cctemp;
	uint8_t rsvd270[242];
	uint8_t sqes, cqes;
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs, fuses;
	uint8_t fna, vwc;
	uint16_t awun, awupf;
	uint8_t nvscc, nwpc;
	uint16_t acwu;
	uint8_t rsvd534[2];
	uint32_t sgls, mnan;
	uint8_t rsvd544[224];
	char subnqn[256];
	uint8_t rsvd1024[1024];
	struct {
		uint16_t mp; /* centiwatts */
		uint8_t rsvd2[30];
	} psd[32];
	uint8_t vendor[1024];
};
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096, "Identify Controller");

/* 5.15.2.1: Identify Namespace. */
struct nvme_id_ns {
	uint64_t nsze, ncap, nuse;
	uint8_t nsfeat, nlbaf, flbas, mc, dpc, dps, nmic, rescap, fpi, dlfeat;
	uint8_t rsvd34[65];
	uint8_t nsattr;
	uint8_t rsvd100[4];
	uint8_t nguid[16], eui64[8];
	struct {
		uint16_t ms;
		uint8_t lbads, rp;
	} lbaf[16];
	uint8_t rsvd192[3904];
};
_Static_assert(sizeof(struct nvme_id_ns) == 4096, "Identify Namespace");

struct nvme_dsm_range {
	uint32_t attributes;
	uint32_t nlb;
	uint64_t slba;
};

#endif
