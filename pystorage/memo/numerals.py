"""Numbers as texts: equal numbers have one text, of whatever type they are, as equal keys are one in a dict.

A number equal to an integer is that integer, one equal to a float is that float; else it is a fraction.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

# A Decimal may name a number of a billion digits in ten characters; up to here it is written out.
_MANY_DIGITS: Final = 5000


def integer(value: int, _: object = None) -> str:
    """Write an integer.

    Args:
        value: An int, also of a subclass.

    Returns:
        Its text.

    Raises:
        Nothing.

    Cost: O(digits); hexadecimal, which CPython writes without a limit.

    Example:
        >>> integer(26), integer(True), real(26.0), decimal(Decimal("2.6e1"))
        ('i1a;', 'i1;', 'i1a;', 'i1a;')
    """
    return f"i{int.__int__(value):x};"


def real(value: float, _: object = None) -> str:
    """Write a float.

    Args:
        value: A float, also of a subclass, infinite or NaN. NaN equals nothing, itself included; but it is
            one argument, so that a call with it can be found.

    Returns:
        Its text.

    Raises:
        Nothing.
    """
    if float.is_integer(value):
        return f"i{int(float.__float__(value)):x};"
    return f"f{float.__repr__(value)};"


def complex_number(value: complex, _: object = None) -> str:
    """Write a complex number.

    Args:
        value: A complex, also of a subclass.

    Returns:
        Its text; without an imaginary part that of the float.

    Raises:
        Nothing.
    """
    return real(value.real) if value.imag == 0 else f"c{real(value.real)}{real(value.imag)}"


def fraction(value: Fraction, _: object = None) -> str:
    """Write a fraction.

    Args:
        value: A Fraction, also of a subclass.

    Returns:
        Its text.

    Raises:
        Nothing.
    """
    return _ratio(value.numerator, value.denominator)


def decimal(value: Decimal, _: object = None) -> str:
    """Write a decimal number.

    Args:
        value: A Decimal, also of a subclass, infinite or NaN. One of more than 5000 digits, written out, has
            a text of its own even where an int equals it.

    Returns:
        Its text.

    Raises:
        Nothing.
    """
    if value.is_nan():
        return f"D{Decimal.__str__(value)};"
    sign, digits, exponent = value.as_tuple()
    minus = "-" if sign else ""
    if not isinstance(exponent, int):
        return f"f{minus}inf;"
    text = "".join(map(str, digits))
    kept = text.rstrip("0")
    exponent += len(text) - len(kept)
    if not kept:
        return "i0;"
    if exponent >= -_MANY_DIGITS and exponent + len(kept) <= _MANY_DIGITS:
        return _ratio(*value.as_integer_ratio())
    return f"D{minus}{kept}e{exponent};"


def _ratio(numerator: int, denominator: int) -> str:
    if denominator == 1:
        return f"i{numerator:x};"
    if denominator & (denominator - 1) == 0:
        try:
            near = numerator / denominator
        except OverflowError:
            pass
        else:
            if near.as_integer_ratio() == (numerator, denominator):
                return f"f{near!r};"
    return f"q{numerator:x}/{denominator:x};"
