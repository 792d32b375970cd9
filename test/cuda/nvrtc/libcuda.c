// The name by which programs load the driver; its functions come with what it is linked to.
