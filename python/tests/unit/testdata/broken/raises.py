def configure():
    raise KeyError("BROKERS")


configure()
