LIMIT = 3


def transform(msg):
    return msg.payload


def is_small(msg):
    return msg.payload < LIMIT


class Thing:
    pass
