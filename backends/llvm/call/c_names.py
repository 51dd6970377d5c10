"""Names that a function of C may have."""

from __future__ import annotations

import ctypes
import functools
import re
from typing import Any

from ..build.platforms import native_target

_KEYWORDS = """auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while alignas alignof bool constexpr
false nullptr static_assert thread_local true typeof typeof_unqual asm fortran
and and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept consteval constinit const_cast
decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq operator or or_eq private protected
public reflexpr reinterpret_cast requires static_cast template this throw try typeid typename using virtual wchar_t xor xor_eq
linux unix i386"""  # of C up to C23 and of C++ up to C++23, and what GNU C defines besides
_STANDARD = """assert complex imaginary I errno NULL EOF BUFSIZ FILE fpos_t stdin stdout stderr size_t ptrdiff_t max_align_t nullptr_t offsetof
va_list va_arg va_copy va_end va_start jmp_buf setjmp sigsetjmp isfinite isinf isnan isnormal signbit fpclassify isgreater isless isgreaterequal
islessequal islessgreater isunordered iseqsig INFINITY NAN HUGE_VAL RAND_MAX EXIT_SUCCESS EXIT_FAILURE CHAR_BIT div_t ldiv_t lldiv_t clock_t
time_t tm timespec sig_atomic_t wint_t mbstate_t fenv_t fexcept_t float_t double_t lconv unreachable kill_dependency noreturn
main argc argv environ"""  # of C's headers: macros, types and objects, which are in no library
_LIBRARIES = [
    "c",
    "m",
    "dl",
    "rt",
    "pthread",
    "util",
    "mvec",
    "gcc",
    "gcc_s",
    "stdc++",
    "gfortran",
    "quadmath",
    "blas",
    "lapack",
    "openblas",
]
_OBSOLETE = ("step", "advance", "loc1", "loc2", "locs")  # of the C library for programs of long ago: the linker does not see them


def refusal(name: Any) -> str | None:
    """Why a function of C cannot have this name, if so."""
    if not isinstance(name, str):
        return "is no string"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return "is not a name in C: use letters, digits and underscores"
    if name in _KEYWORDS.split():
        return "is a keyword of C or C++"
    if name.startswith("_"):
        return "begins with an underscore: such names are C's own"
    if re.fullmatch(r"u?int(_least|_fast)?\d+_t|u?int(max|ptr)_t|U?INT\w+|lantern_\w+", name) or name in _STANDARD.split():
        return "has a meaning in C's headers"
    if re.fullmatch(r"(x|result)\d+(_n\d+)?|message|message_size|status", name):
        return "is the name of one of the function's own parameters"
    if name not in _OBSOLETE and any(hasattr(library, name) for library in _c_library()):
        return "is a function of the C library, whose place it would take"
    if name in _LIBRARIES:
        return f"would make lib{name}.so, which is another library"
    return None


@functools.cache
def _c_library() -> list[Any]:
    """The C library and that of its mathematical functions; of another system's there is nothing to ask."""
    found = []
    for name in native_target().linking.libraries:
        try:
            found.append(ctypes.CDLL(name))
        except OSError:
            continue
    return found
