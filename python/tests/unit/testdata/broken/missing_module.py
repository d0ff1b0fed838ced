import no_such_module_anywhere

pipeline = no_such_module_anywhere.pipeline
