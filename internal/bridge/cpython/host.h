/* What the C side asks of Go; implemented in exports.go. The declarations repeat what
 * cgo generates, so that the C files do not depend on a generated header. */
#ifndef LEVADA_HOST_H
#define LEVADA_HOST_H

#include "native.h"

/* Encodes column 0 (payloads) or 1 (metadata) of a crossing into cx->columns. -1:
 * error is malloc memory of the caller. Called with the GIL. */
extern int levadaHostColumn(uintptr_t host, int column, levada_column *to, char **error, size_t *n);
/* Why element i is not in the payload column. */
extern void levadaHostElement(uintptr_t host, uint32_t i, char **error, size_t *n);

/* Makes a function; see levada_function_info. Called with the GIL. */
extern void levadaHostFunction(levada_state *st, char *name, size_t name_len, char *settings, size_t settings_len, levada_function_info *info);
/* Calls it. Called without the GIL. */
extern void levadaHostCall(uintptr_t handle, levada_callin *call);
extern void levadaHostForget(uintptr_t handle);

/* Carries out a verb; called with the GIL, which it gives away itself. -1: error, or an
 * exception is set where error is NULL. */
extern int levadaHostMain(levada_state *st, levada_main_call *call, int *code, char **error, size_t *n);
/* The manifest and the fingerprint of this extension, in malloc memory. */
extern void levadaHostManifest(char **manifest, size_t *n, char **fingerprint, size_t *m);
/* Names of the functions that a YAML pipeline wants: u32 count, then strings. -1: error. */
extern int levadaHostYAML(char *path, size_t path_len, uint8_t **names, size_t *n, char **error, size_t *error_len);
/* The module goes away. */
extern void levadaHostUnload(levada_state *st);

#endif
