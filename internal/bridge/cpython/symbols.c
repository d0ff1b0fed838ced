#include "codec.h"

const char *levada_missing_symbol(void) {
    static const struct {
        const char *name;
        const void *at;
    } table[] = {
#define FUNCTION(result, name, parameters) {#name, (const void *)name},
#define DATA(type, name) {#name, (const void *)&name},
        LEVADA_PYTHON_FUNCTIONS(FUNCTION) LEVADA_PYTHON_DATA(DATA)
#undef FUNCTION
#undef DATA
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!table[i].at) return table[i].name;
    }
    return NULL;
}
