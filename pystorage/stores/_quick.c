/* Reading a file in one call: open, read and close without Python in between.
 *
 *     _quick.read(start: bytes, ending: bytes, flags: int, name: str) -> bytes | None
 *
 * Gives what the file start + name + ending holds, or None for everything that is not usual: a file that is
 * absent, empty, a link, a folder or cannot be read. Whoever asked does it again step by step then, and
 * learns why. So nothing is decided here. What fits into the first look is not asked whether it is a plain
 * file, here as little as there.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_PATH 4096
/* A file that fills it may have more, which another look tells. */
#define FIRST 16384

static PyObject *
decoded(void *path)
{
    return PyUnicode_DecodeFSDefault(path);
}

/* Gives all of an open file whose first bytes were read, and closes it. */
static PyObject *
rest(int descriptor, const char *first)
{
    struct stat seen;
    if (fstat(descriptor, &seen) < 0 || !S_ISREG(seen.st_mode) || seen.st_size < FIRST
        || (uintmax_t)seen.st_size > (uintmax_t)PY_SSIZE_T_MAX) {
        close(descriptor);
        Py_RETURN_NONE;
    }
    Py_ssize_t size = (Py_ssize_t)seen.st_size, have = FIRST;
    PyObject *whole = PyBytes_FromStringAndSize(NULL, size);
    if (whole == NULL) {
        close(descriptor);
        return NULL;
    }
    char *data = PyBytes_AS_STRING(whole);
    Py_BEGIN_ALLOW_THREADS
    memcpy(data, first, FIRST);
    while (have < size) {
        ssize_t more = read(descriptor, data + have, (size_t)(size - have));
        if (more <= 0)
            break;
        have += more;
    }
    close(descriptor);
    Py_END_ALLOW_THREADS
    if (have == size)
        return whole;
    Py_DECREF(whole);
    Py_RETURN_NONE;
}

static PyObject *
quick_read(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (count != 4 || !PyBytes_Check(arguments[0]) || !PyBytes_Check(arguments[1])
        || !PyLong_Check(arguments[2]) || !PyUnicode_Check(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "read(start: bytes, ending: bytes, flags: int, name: str)");
        return NULL;
    }
    long flags = PyLong_AsLong(arguments[2]);
    if (flags == -1 && PyErr_Occurred())
        return NULL;
    Py_ssize_t length;
    const char *name = PyUnicode_AsUTF8AndSize(arguments[3], &length);
    if (name == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    Py_ssize_t before = PyBytes_GET_SIZE(arguments[0]), after = PyBytes_GET_SIZE(arguments[1]);
    char path[LONGEST_PATH];
    if (before >= LONGEST_PATH || length >= LONGEST_PATH - before || after >= LONGEST_PATH - before - length)
        Py_RETURN_NONE;
    memcpy(path, PyBytes_AS_STRING(arguments[0]), (size_t)before);
    memcpy(path + before, name, (size_t)length);
    memcpy(path + before + length, PyBytes_AS_STRING(arguments[1]), (size_t)after);
    Py_ssize_t size = before + length + after;
    if (memchr(path, 0, (size_t)size) != NULL)
        Py_RETURN_NONE;
    path[size] = 0;
    /* What looks on at os.open shall see this, too. */
    if (PySys_Audit("open", "O&Ol", decoded, path, Py_None, flags) < 0)
        return NULL;

    char first[FIRST];
    ssize_t found = -1;
    int descriptor;
    Py_BEGIN_ALLOW_THREADS
    descriptor = open(path, (int)flags);
    if (descriptor >= 0) {
        found = read(descriptor, first, FIRST);
        if (found != FIRST)
            close(descriptor);
    }
    Py_END_ALLOW_THREADS
    if (found == FIRST)
        return rest(descriptor, first);
    if (found <= 0)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(first, found);
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))quick_read, METH_FASTCALL,
     "read(start, ending, flags, name, /)\n--\n\nGive what a file holds; None where that is not usual."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_quick",
    .m_doc = "Reading a file in one call.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__quick(void)
{
    return PyModuleDef_Init(&definition);
}
