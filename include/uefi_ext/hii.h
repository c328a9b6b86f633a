/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Declarations for a driver that shows one form: HII database, strings and configuration
 * access, string package, and the IFR opcodes of a form with texts, a check box, a one-of
 * and strings. gnu-efi has none of them. Source: UEFI 2.10, 33 to 35.
 */
#ifndef UEFI_EXT_HII_H
#define UEFI_EXT_HII_H

#include <efi.h>

#define EFI_HII_DATABASE_PROTOCOL_GUID                                                             \
    {                                                                                              \
        0xef9fc172, 0xa1b2, 0x4693,                                                                \
        {                                                                                          \
            0xb3, 0x27, 0x6d, 0x32, 0xfc, 0x41, 0x60, 0x42                                         \
        }                                                                                          \
    }
#define EFI_HII_STRING_PROTOCOL_GUID                                                               \
    {                                                                                              \
        0x0fd96974, 0x23aa, 0x4cdc,                                                                \
        {                                                                                          \
            0xb9, 0xcb, 0x98, 0xd1, 0x77, 0x50, 0x32, 0x2a                                         \
        }                                                                                          \
    }
#define EFI_HII_CONFIG_ACCESS_PROTOCOL_GUID                                                        \
    {                                                                                              \
        0x330d4706, 0xf2a0, 0x4e4f,                                                                \
        {                                                                                          \
            0xa3, 0x69, 0xb6, 0x6f, 0xa8, 0xd5, 0x43, 0x85                                         \
        }                                                                                          \
    }
/* 35.6: the class of form sets that belong in the platform's setup. */
#define EFI_HII_PLATFORM_SETUP_FORMSET_GUID                                                        \
    {                                                                                              \
        0x93039971, 0x8545, 0x4b04,                                                                \
        {                                                                                          \
            0xb4, 0x5e, 0x32, 0xeb, 0x83, 0x26, 0x04, 0x0e                                         \
        }                                                                                          \
    }

typedef VOID *EFI_HII_HANDLE;
typedef CHAR16 *EFI_STRING;
typedef UINT16 EFI_STRING_ID; /* from 1 */
typedef UINT16 EFI_QUESTION_ID;
typedef UINT16 EFI_VARSTORE_ID;
typedef UINT16 EFI_FORM_ID;

/* Packages: 33.3.1 */

typedef struct {
    EFI_GUID PackageListGuid;
    UINT32 PackageLength; /* of the whole list */
} __attribute__((packed)) EFI_HII_PACKAGE_LIST_HEADER;

typedef struct {
    UINT32 Length : 24; /* with this header */
    UINT32 Type : 8;
} __attribute__((packed)) EFI_HII_PACKAGE_HEADER;

#define EFI_HII_PACKAGE_FORMS 0x02
#define EFI_HII_PACKAGE_STRINGS 0x04
#define EFI_HII_PACKAGE_END 0xdf

/* String package: 33.3.6.1. Blocks follow (33.3.6.2): UCS-2 texts and an end. */

typedef struct {
    EFI_HII_PACKAGE_HEADER Header;
    UINT32 HdrSize;
    UINT32 StringInfoOffset;
    CHAR16 LanguageWindow[16];  /* for SCSU texts */
    EFI_STRING_ID LanguageName; /* the language follows: RFC 4646, terminated */
} __attribute__((packed)) EFI_HII_STRING_PACKAGE_HDR;

#define EFI_HII_SIBT_END 0x00
#define EFI_HII_SIBT_STRING_UCS2 0x14

/* Headers of opcodes: 33.3.8.2 */

typedef struct {
    UINT8 OpCode;
    UINT8 Length : 7;
    UINT8 Scope : 1; /* opens a scope, which EFI_IFR_END closes */
} __attribute__((packed)) EFI_IFR_OP_HEADER;

typedef struct {
    EFI_STRING_ID Prompt;
    EFI_STRING_ID Help;
} __attribute__((packed)) EFI_IFR_STATEMENT_HEADER;

typedef struct {
    EFI_IFR_STATEMENT_HEADER Header;
    EFI_QUESTION_ID QuestionId;
    EFI_VARSTORE_ID VarStoreId; /* 0: none */
    UINT16 VarOffset;
    UINT8 Flags;
} __attribute__((packed)) EFI_IFR_QUESTION_HEADER;

#define EFI_IFR_FLAG_CALLBACK 0x04

/* Opcodes, in the order of 33.3.8.3 */

#define EFI_IFR_FORM_OP 0x01
#define EFI_IFR_SUBTITLE_OP 0x02
#define EFI_IFR_TEXT_OP 0x03
#define EFI_IFR_ONE_OF_OP 0x05
#define EFI_IFR_CHECKBOX_OP 0x06
#define EFI_IFR_ONE_OF_OPTION_OP 0x09
#define EFI_IFR_ACTION_OP 0x0c
#define EFI_IFR_FORM_SET_OP 0x0e
#define EFI_IFR_STRING_OP 0x1c
#define EFI_IFR_VARSTORE_OP 0x24
#define EFI_IFR_END_OP 0x29
#define EFI_IFR_DEFAULT_OP 0x5b
#define EFI_IFR_DEFAULTSTORE_OP 0x5c

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_FORM_ID FormId;
    EFI_STRING_ID FormTitle;
} __attribute__((packed)) EFI_IFR_FORM;

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_IFR_STATEMENT_HEADER Statement;
    UINT8 Flags;
} __attribute__((packed)) EFI_IFR_SUBTITLE;

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_IFR_STATEMENT_HEADER Statement;
    EFI_STRING_ID TextTwo;
} __attribute__((packed)) EFI_IFR_TEXT;

/* For values of one byte (EFI_IFR_NUMERIC_SIZE_1); there are wider ones. */
typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_IFR_QUESTION_HEADER Question;
    UINT8 Flags;
    UINT8 MinValue;
    UINT8 MaxValue;
    UINT8 Step;
} __attribute__((packed)) EFI_IFR_ONE_OF_8;

#define EFI_IFR_NUMERIC_SIZE_1 0x00
#define EFI_IFR_DISPLAY_UINT_DEC 0x10

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_IFR_QUESTION_HEADER Question;
    UINT8 Flags;
} __attribute__((packed)) EFI_IFR_CHECKBOX;

#define EFI_IFR_CHECKBOX_DEFAULT 0x01

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_STRING_ID Option;
    UINT8 Flags;
    UINT8 Type;
    UINT8 Value;
} __attribute__((packed)) EFI_IFR_ONE_OF_OPTION_8;

#define EFI_IFR_TYPE_NUM_SIZE_8 0x00
#define EFI_IFR_TYPE_STRING 0x07
#define EFI_IFR_OPTION_DEFAULT 0x10

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_IFR_QUESTION_HEADER Question;
    EFI_STRING_ID QuestionConfig; /* 0: only the callback is called */
} __attribute__((packed)) EFI_IFR_ACTION;

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_GUID Guid;
    EFI_STRING_ID FormSetTitle;
    EFI_STRING_ID Help;
    UINT8 Flags; /* count of class GUIDs, which follow */
} __attribute__((packed)) EFI_IFR_FORM_SET;

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_IFR_QUESTION_HEADER Question;
    UINT8 MinSize; /* characters */
    UINT8 MaxSize;
    UINT8 Flags;
} __attribute__((packed)) EFI_IFR_STRING;

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_GUID Guid;
    EFI_VARSTORE_ID VarStoreId;
    UINT16 Size; /* the name follows: ASCII, terminated */
} __attribute__((packed)) EFI_IFR_VARSTORE;

typedef struct {
    EFI_IFR_OP_HEADER Header;
} __attribute__((packed)) EFI_IFR_END;

/* For values that are a string id; there are others. */
typedef struct {
    EFI_IFR_OP_HEADER Header;
    UINT16 DefaultId;
    UINT8 Type;
    EFI_STRING_ID Value;
} __attribute__((packed)) EFI_IFR_DEFAULT_STRING;

typedef struct {
    EFI_IFR_OP_HEADER Header;
    EFI_STRING_ID DefaultName;
    UINT16 DefaultId;
} __attribute__((packed)) EFI_IFR_DEFAULTSTORE;

#define EFI_HII_DEFAULT_CLASS_STANDARD 0x0000

_Static_assert(sizeof(EFI_HII_PACKAGE_LIST_HEADER) == 20, "UEFI 2.10, 33.3.1.2");
_Static_assert(sizeof(EFI_HII_PACKAGE_HEADER) == 4, "UEFI 2.10, 33.3.1.1");
_Static_assert(sizeof(EFI_HII_STRING_PACKAGE_HDR) == 46, "UEFI 2.10, 33.3.6.1");
_Static_assert(sizeof(EFI_IFR_OP_HEADER) == 2, "UEFI 2.10, 33.3.8.2.1");
_Static_assert(sizeof(EFI_IFR_QUESTION_HEADER) == 11, "UEFI 2.10, 33.3.8.2.2");

/* Database: 34.8 */

typedef struct _EFI_HII_DATABASE_PROTOCOL EFI_HII_DATABASE_PROTOCOL;

struct _EFI_HII_DATABASE_PROTOCOL {
    EFI_STATUS(EFIAPI *NewPackageList)
    (const EFI_HII_DATABASE_PROTOCOL *This, const EFI_HII_PACKAGE_LIST_HEADER *PackageList,
     EFI_HANDLE DriverHandle, EFI_HII_HANDLE *Handle);
    EFI_STATUS(EFIAPI *RemovePackageList)
    (const EFI_HII_DATABASE_PROTOCOL *This, EFI_HII_HANDLE Handle);
    VOID *UpdatePackageList; /* unused from here on, hence without a type */
    VOID *ListPackageLists;
    VOID *ExportPackageLists;
    VOID *RegisterPackageNotify;
    VOID *UnregisterPackageNotify;
    VOID *FindKeyboardLayouts;
    VOID *GetKeyboardLayout;
    VOID *SetKeyboardLayout;
    VOID *GetPackageListHandle;
};

/* Strings: 34.3 */

typedef struct _EFI_HII_STRING_PROTOCOL EFI_HII_STRING_PROTOCOL;

struct _EFI_HII_STRING_PROTOCOL {
    VOID *NewString; /* members without a type are unused */
    VOID *GetString;
    EFI_STATUS(EFIAPI *SetString)
    (const EFI_HII_STRING_PROTOCOL *This, EFI_HII_HANDLE PackageList, EFI_STRING_ID StringId,
     const CHAR8 *Language, EFI_STRING String, const VOID *StringFontInfo);
    VOID *GetLanguages;
    VOID *GetSecondaryLanguages;
};

/* Configuration access: 35.5 */

typedef UINTN EFI_BROWSER_ACTION;
typedef UINTN EFI_BROWSER_ACTION_REQUEST;

#define EFI_BROWSER_ACTION_CHANGING 0
#define EFI_BROWSER_ACTION_CHANGED 1
#define EFI_BROWSER_ACTION_FORM_OPEN 3
#define EFI_BROWSER_ACTION_FORM_CLOSE 4
#define EFI_BROWSER_ACTION_REQUEST_NONE 0

typedef struct _EFI_HII_CONFIG_ACCESS_PROTOCOL EFI_HII_CONFIG_ACCESS_PROTOCOL;

struct _EFI_HII_CONFIG_ACCESS_PROTOCOL {
    EFI_STATUS(EFIAPI *ExtractConfig)
    (const EFI_HII_CONFIG_ACCESS_PROTOCOL *This, EFI_STRING Request, EFI_STRING *Progress,
     EFI_STRING *Results);
    EFI_STATUS(EFIAPI *RouteConfig)
    (const EFI_HII_CONFIG_ACCESS_PROTOCOL *This, EFI_STRING Configuration, EFI_STRING *Progress);
    EFI_STATUS(EFIAPI *Callback)
    (const EFI_HII_CONFIG_ACCESS_PROTOCOL *This, EFI_BROWSER_ACTION Action,
     EFI_QUESTION_ID QuestionId, UINT8 Type, VOID *Value,
     EFI_BROWSER_ACTION_REQUEST *ActionRequest);
};

#endif
