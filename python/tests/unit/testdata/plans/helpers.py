from json import dumps

__all__ = ["Math", "double", "dumps"]


def double(msg):
    return msg.payload * 2


class Math:
    @staticmethod
    def square(msg):
        return msg.payload**2
